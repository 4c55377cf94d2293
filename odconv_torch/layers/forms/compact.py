"""The patches of the map, by a constant convolution, times the kernel of each sample.

What `patches` computes, of operators that hold for any batch and that runtimes are fast at: one
convolution and one matrix product. A kernel that all samples share is a constant of the graph.
"""

from __future__ import annotations

from math import prod

import torch

from odconv_torch.layers.attentions import Attentions
from odconv_torch.layers.forms.columns import columns_of, known
from odconv_torch.layers.forms.grouped import conv_in_groups
from odconv_torch.layers.forms.portable import factor_of_input, portable, times_channels
from odconv_torch.layers.forms.recording import exports_a_graph
from odconv_torch.layers.forms.scaled import aggregate, aggregate_scaled, times
from odconv_torch.layers.window import Window


def compact(
    x: torch.Tensor, weight: torch.Tensor, attentions: Attentions, window: Window
) -> torch.Tensor:
    """Taps scale the patches where these are fewer than the elements of a kernel."""
    if attentions.one_set_per_kernel(x.dim() - 2):
        return conv_by_columns(x, aggregate_scaled(weight, attentions, window.groups), window)
    channel, filters, spatial, kernel = attentions
    few = spatial is None or has_few_positions(x, weight, window)
    if kernel is None and few:
        return portable(x, weight, attentions, window)
    kernels, channels = aggregate(weight, kernel), known(x.shape[1:2])[0]
    if spatial is not None and few:
        columns = columns_of(x, known(weight.shape[3:]), window)
        columns = times_channels(columns, factor_of_input(attentions, False, channels))
        return times(product(columns, kernels, window.groups), filters)
    if channel is not None and weight.shape[1:3] == (x.shape[1], 1):  # depthwise: kernels are less
        kernels, channel = kernels * channel[:, :, None], None
    x = x if channel is None else x * channel
    kernels = kernels if spatial is None else kernels * spatial
    return times(conv_by_columns(x, kernels, window), filters)


def conv_by_columns(x: torch.Tensor, kernels: torch.Tensor, window: Window) -> torch.Tensor:
    """x (batch, in, *map) with kernels (batch, out, in // groups, *kernel).

    Runtimes are slow at the patches of depthwise layers, whose products are tiny. The samples are
    groups of one convolution there, if their number is fixed.
    """
    depthwise = kernels.shape[2] == 1 < window.groups
    if depthwise and exports_a_graph() and has_fixed_batch(x):
        return conv_in_groups(x, kernels.to(x.dtype), window)
    return product(columns_of(x, known(kernels.shape[3:]), window), kernels, window.groups)


def product(columns: torch.Tensor, kernels: torch.Tensor, groups: int) -> torch.Tensor:
    """Columns (batch, in * taps, *map) with kernels (batch, out, in // groups, *kernel)."""
    out, *inner = known(kernels.shape[1:])
    size, depth = columns.shape[2:], prod(inner)
    kernels = kernels.to(columns.dtype)
    if groups == 1:
        y = kernels.reshape(-1, out, depth) @ columns.flatten(2)
    else:
        rows = kernels.reshape(-1, groups, out // groups, depth)
        y = rows @ columns.flatten(2).unflatten(1, (groups, depth))
    return y.reshape(-1, out, *size)


def has_fixed_batch(x: torch.Tensor) -> bool:
    """Whether a graph is recorded for this number of samples alone, as far as one can see."""
    return isinstance(x.shape[0], int) and not torch.jit.is_tracing()


def has_fixed_size(x: torch.Tensor) -> bool:
    """Whether a graph is recorded for maps of this size alone, as far as one can see."""
    return has_fixed_batch(x) and all(isinstance(size, int) for size in x.shape)


def has_few_positions(x: torch.Tensor, weight: torch.Tensor, window: Window) -> bool:
    """Whether the map is known to have fewer positions than a group has outputs."""
    sizes = known(window.output_size(x.shape, weight.shape[3:]))
    fixed = all(isinstance(size, int) for size in sizes)
    return fixed and prod(sizes) < known(weight.shape[1:2])[0] // window.groups
