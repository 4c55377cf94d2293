"""The patches of the map times the kernels, as one batched matrix product.

The map itself is the patches of pointwise kernels. Others take more memory, kernel positions times
the input, but the graph holds for any batch size; so it is what recorded graphs hold.
"""

from __future__ import annotations

from math import prod

import torch
from torch.nn import functional as F

from odconv_torch.layers.attentions import Attentions
from odconv_torch.layers.forms.products import product_of_maps
from odconv_torch.layers.forms.recording import records_a_graph
from odconv_torch.layers.forms.scaled import (
    aggregate,
    aggregate_scaled,
    scaled,
    times,
)
from odconv_torch.layers.padding import pad
from odconv_torch.layers.window import Window


def patches(
    x: torch.Tensor, weight: torch.Tensor, attentions: Attentions, window: Window
) -> torch.Tensor:
    if records_a_graph():
        return _of_any_size(x, weight, attentions, window)
    size = window.output_size(x.shape, weight.shape[3:])
    x, kernels, after = scaled(x, weight, attentions, window)
    if window.groups == 1 and window.is_pointwise(weight.shape[3:]):
        return times(product_of_maps(x, kernels.flatten(2)), after)
    columns = patches_of(x, weight.shape[3:], window)
    # (batch * groups, in // groups * taps, positions)
    columns = columns.flatten(2, 3).flatten(0, 1)
    rows = kernels.reshape(len(columns), kernels.shape[1] // window.groups, columns.shape[1])
    y = torch.bmm(rows, columns)  # matmul would look for an axis to spread over, for as long again
    return times(y.reshape(x.shape[0], weight.shape[1], *size), after)


def _of_any_size(
    x: torch.Tensor, weight: torch.Tensor, attentions: Attentions, window: Window
) -> torch.Tensor:
    """Scales the maps, whatever their size: a comparison would tie the graph to some sizes."""
    if attentions.one_set_per_kernel(x.dim() - 2):
        kernels = aggregate_scaled(weight, attentions, window.groups)
        return product_of_views(x, kernels.to(x.dtype), window)
    if attentions.channel is not None:
        x = x * attentions.channel
    kernels = aggregate(weight, attentions.kernel)
    if attentions.spatial is not None:
        kernels = kernels * attentions.spatial
    kernels = kernels.expand(x.shape[0], *weight.shape[1:]).to(x.dtype)
    return times(product_of_views(x, kernels, window), attentions.filter)


def product_of_views(x: torch.Tensor, kernels: torch.Tensor, window: Window) -> torch.Tensor:
    """x (batch, in, *map) with kernels (batch, out, in // groups, *kernel), in a recorded graph."""
    taps = kernels.shape[3:]
    views = _views(x, taps, window)
    size = views.shape[2 + len(taps) :]
    # `reshape` would compare strides, which ties an exported graph to some sizes of the map.
    views = views.clone(memory_format=torch.contiguous_format)
    depth = kernels.shape[2] * prod(taps)
    columns = views.view(x.shape[0], window.groups, depth, prod(size))
    rows = kernels.reshape(x.shape[0], window.groups, kernels.shape[1] // window.groups, depth)
    return (rows @ columns).reshape(x.shape[0], kernels.shape[1], *size)


def patches_of(x: torch.Tensor, taps: torch.Size, window: Window) -> torch.Tensor:
    """What each tap of each group sees: (batch, groups, in // groups, taps, positions)."""
    positions = prod(window.output_size(x.shape, taps))
    shape = (x.shape[0], window.groups, x.shape[1] // window.groups, prod(taps), positions)
    if window.is_pointwise(taps):
        return x.reshape(shape)
    if x.dim() == 4:  # torch has a faster way for two axes
        x, window = window.symmetric(x)
        stride, dilation = window.stride, window.dilation
        return F.unfold(x, tuple(taps), dilation, window.sides, stride).view(shape)
    return _views(x, taps, window).reshape(shape)


def _views(x: torch.Tensor, taps: torch.Size, window: Window) -> torch.Tensor:
    """The same as a view of the padded map: (batch, in, *kernel, *map after convolution)."""
    x, rank = pad(x, window.padding), len(taps)
    for axis, (count, step, reach) in enumerate(
        zip(taps, window.stride, window.dilation, strict=True), start=2
    ):
        x = x.unfold(axis, reach * (count - 1) + 1, step)[..., ::reach]
    # `unfold` leaves the taps behind the map: (batch, in, *map, *kernel).
    order = (*range(2 + rank, 2 + 2 * rank), *range(2, 2 + rank))
    return x.permute(0, 1, *order)
