"""A convolution with one kernel for each sample, in the form that suits.

It is for layers that make the kernel of each sample themselves; those that mix a bank of kernels
choose by `choice.py` between forms that never hold them.
"""

from __future__ import annotations

import torch

from odconv_torch.layers.forms.autocast import autocast
from odconv_torch.layers.forms.grouped import conv_in_groups
from odconv_torch.layers.forms.patches import product_of_views
from odconv_torch.layers.forms.recording import records_a_graph
from odconv_torch.layers.forms.samples import each_with_its_own
from odconv_torch.layers.window import Window


def conv_per_sample(x: torch.Tensor, kernels: torch.Tensor, window: Window) -> torch.Tensor:
    """Each sample convolved with its own kernel.

    Args:
        x: (batch, in, *map).
        kernels: (batch, out, in // groups, *kernel).
        window: how the kernels move.

    Returns:
        (batch, out, *map after convolution).

    Example:
        >>> window = Window((1, 1), ((1, 1), (1, 1)), (1, 1), groups=1)
        >>> x, kernels = torch.rand(2, 6, 8, 9), torch.rand(2, 10, 6, 3, 3)
        >>> conv_per_sample(x, kernels, window).shape
        torch.Size([2, 10, 8, 9])
    """
    x = autocast(x)
    kernels = kernels.to(x.dtype)
    if records_a_graph() or x.shape[0] == 0:
        return product_of_views(x, kernels, window)  # whose graph holds for any batch size
    depthwise = kernels.shape[2] == 1 < window.groups
    if depthwise or x.device.type != "cpu":  # one call suits accelerators
        return conv_in_groups(x, kernels, window)
    return each_with_its_own(x, kernels, window)
