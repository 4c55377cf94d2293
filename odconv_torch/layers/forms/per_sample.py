"""A convolution with one kernel for each sample, in the form that suits.

It is for layers that make the kernel of each sample themselves; those that mix a bank of kernels
choose by `choice.py` between forms that never hold them.
"""

from __future__ import annotations

import torch

from odconv_torch.layers.forms.autocast import autocast
from odconv_torch.layers.forms.choice import Strategy, form_of_graph
from odconv_torch.layers.forms.compact import conv_by_columns
from odconv_torch.layers.forms.cost_model import COMPACT, FOLDED, GRAPH_FORMS, PORTABLE, SINGLE
from odconv_torch.layers.forms.grouped import conv_in_groups
from odconv_torch.layers.forms.layout import laid_last, lies_last
from odconv_torch.layers.forms.patches import product_of_views
from odconv_torch.layers.forms.recording import exports_a_graph, records_a_graph
from odconv_torch.layers.forms.samples import each_with_its_own
from odconv_torch.layers.window import Window

_SMALL = 1 << 20  # elements of a kernel; a loop over the samples wins with larger ones alone


def conv_per_sample(
    x: torch.Tensor, kernels: torch.Tensor, window: Window, strategy: Strategy
) -> torch.Tensor:
    """Each sample convolved with its own kernel.

    Args:
        x: (batch, in, *map).
        kernels: (batch, out, in // groups, *kernel).
        window: how the kernels move.
        strategy: for which form of a graph it asks.

    Returns:
        (batch, out, *map after convolution).

    Raises:
        ValueError: the form has constant kernels, or an exported graph cannot have it.

    Example:
        >>> window = Window((1, 1), ((1, 1), (1, 1)), (1, 1), groups=1)
        >>> x, kernels = torch.rand(2, 6, 8, 9), torch.rand(2, 10, 6, 3, 3)
        >>> conv_per_sample(x, kernels, window, Strategy()).shape
        torch.Size([2, 10, 8, 9])
    """
    x = autocast(x)
    kernels, name = kernels.to(x.dtype), strategy.name
    if exports_a_graph():
        name = form_of_graph(x, name)
    if name == PORTABLE:
        raise ValueError(
            f"strategy {PORTABLE!r}: expected a layer that mixes kernels, which would be constants "
            "of the graph, received one that makes the kernel of each sample; ask for "
            f"{COMPACT!r}, {SINGLE!r} or {FOLDED!r}"
        )
    if name in GRAPH_FORMS and x.shape[0] != 0:
        return (conv_by_columns if name == COMPACT else conv_in_groups)(x, kernels, window)
    if records_a_graph() or x.shape[0] == 0:
        return product_of_views(x, kernels, window)  # whose graph holds for any batch size
    depthwise = kernels.shape[2] == 1 < window.groups
    small = x.shape[0] == 1 or kernels[0].numel() <= _SMALL
    if x.device.type != "cpu":  # one call suits accelerators
        y = conv_in_groups(x, kernels, window)
        return laid_last(y) if lies_last(x) else y
    # Side by side, maps with their channels last would be copied to the other layout and back.
    if (depthwise or small) and not lies_last(x):
        return conv_in_groups(x, kernels, window)
    return each_with_its_own(x, kernels, window)
