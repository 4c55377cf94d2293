"""The patches of the map, by a constant convolution, times the kernel of each sample.

What `patches` computes, of operators that hold for any batch and that runtimes are fast at: one
convolution and one matrix product. A single kernel is a constant of the graph, see `portable`.
"""

from __future__ import annotations

from math import prod

import torch

from odconv_torch.layers.attentions import Attentions
from odconv_torch.layers.forms.columns import columns_of, known
from odconv_torch.layers.forms.portable import portable
from odconv_torch.layers.forms.scaled import aggregate, aggregate_scaled, times
from odconv_torch.layers.window import Window


def compact(
    x: torch.Tensor, weight: torch.Tensor, attentions: Attentions, window: Window
) -> torch.Tensor:
    if attentions.one_set_per_kernel(x.dim() - 2):
        kernels = aggregate_scaled(weight, attentions, window.groups)
        return product_of_columns(x, kernels, window)
    channel, filters, spatial, kernel = attentions
    if kernel is None:
        return portable(x, weight, attentions, window)
    if channel is not None:
        x = x * channel
    kernels = aggregate(weight, kernel)
    if spatial is not None:
        kernels = kernels * spatial
    return times(product_of_columns(x, kernels, window), filters)


def product_of_columns(x: torch.Tensor, kernels: torch.Tensor, window: Window) -> torch.Tensor:
    """x (batch, in, *map) with kernels (batch, out, in // groups, *kernel)."""
    out, *inner = known(kernels.shape[1:])
    columns = columns_of(x, inner[1:], window)  # (batch, in * taps, *map after convolution)
    size, groups, depth = columns.shape[2:], window.groups, prod(inner)
    kernels = kernels.to(x.dtype)
    if groups == 1:
        y = kernels.reshape(-1, out, depth) @ columns.flatten(2)
    else:
        rows = kernels.reshape(-1, groups, out // groups, depth)
        y = rows @ columns.flatten(2).unflatten(1, (groups, depth))
    return y.reshape(-1, out, *size)
