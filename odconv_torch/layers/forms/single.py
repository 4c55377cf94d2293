"""An ordinary convolution with the mixed kernel, for graphs of a batch that does not change.

That of one sample is what the static network has in this place. Several samples are groups of one
convolution, as in `grouped`, but for the maps and kernels: what is scaled does not depend on sizes.
"""

from __future__ import annotations

import torch

from odconv_torch.layers.attentions import Attentions
from odconv_torch.layers.forms.columns import plain_conv
from odconv_torch.layers.forms.grouped import conv_in_groups
from odconv_torch.layers.forms.scaled import aggregate, aggregate_scaled, times
from odconv_torch.layers.window import Window


def single(
    x: torch.Tensor, weight: torch.Tensor, attentions: Attentions, window: Window
) -> torch.Tensor:
    if attentions.one_set_per_kernel(x.dim() - 2):
        kernels = aggregate_scaled(weight, attentions, window.groups).to(x.dtype)
        return conv_in_groups(x, kernels, window)
    channel, filters, spatial, kernel = attentions
    if channel is not None:
        x = x * channel
    if kernel is None and spatial is None:
        return times(plain_conv(x, weight.flatten(0, 1).to(x.dtype), window), filters)
    kernels = aggregate(weight, kernel)
    if spatial is not None:
        kernels = kernels * spatial
    return times(conv_in_groups(x, kernels.to(x.dtype), window), filters)
