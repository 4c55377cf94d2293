"""The samples as groups of one convolution, with each attention on what is smaller.

For graphs of a batch that does not change: one operation for a layer, its bias and its activation,
which ONNX Runtime takes in less time than maps that are scaled. Layers with 3x3 kernels become
tiles where these multiply less. Maps with few positions become patches, as in `compact`: their
kernels are larger. Pointwise layers have no patches. Of an unknown size this is `single`.
"""

from __future__ import annotations

import torch

from odconv_torch.layers.attentions import Attentions
from odconv_torch.layers.forms.compact import compact, has_few_positions, has_fixed_size
from odconv_torch.layers.forms.grouped import conv_in_groups
from odconv_torch.layers.forms.scaled import scaled, times
from odconv_torch.layers.forms.single import single
from odconv_torch.layers.forms.winograd import by_tiles, has_fewer_products
from odconv_torch.layers.window import Window

_PASSES = 3  # that a convolution does not do, where its output is scaled: that, bias, activation


def folded(
    x: torch.Tensor, weight: torch.Tensor, attentions: Attentions, window: Window
) -> torch.Tensor:
    taps = weight.shape[3:]
    if not has_fixed_size(x):
        return single(x, weight, attentions, window)
    if has_fewer_products(x, weight, attentions, window):
        return by_tiles(x, weight, attentions, window)
    own, pointwise = attentions.one_set_per_kernel(x.dim() - 2), window.is_pointwise(taps)
    if has_few_positions(x, weight, window) and not (own or pointwise):
        return compact(x, weight, attentions, window)
    x, kernels, after = scaled(x, weight, attentions, window, _PASSES)
    return times(conv_in_groups(x, kernels, window), after)
