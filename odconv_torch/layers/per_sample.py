"""A convolution with one kernel for all samples, or with a kernel for each sample.

torch has no operation for the second, so it is written in two forms that agree to rounding. As
groups of one convolution, samples stand side by side as channels: fast, but the number of groups,
and with it the batch size, is a constant of the graph
(https://github.com/pytorch/pytorch/issues/114354). As a batched matrix product on the patches of
the map it takes more memory, kernel positions times the input, but any batch size; so it is what a
traced, compiled or exported graph holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch.nn import functional as F

from odconv_spec.geometry import Pairs
from odconv_torch.layers.padding import no_padding, pad

_CONVS = (F.conv1d, F.conv2d, F.conv3d)  # by rank - 1


def conv_per_sample(
    x: torch.Tensor,
    kernels: torch.Tensor,
    stride: Sequence[int],
    padding: Pairs,
    dilation: Sequence[int],
    groups: int,
) -> torch.Tensor:
    """Convolves each sample with its kernel, without a bias.

    Args:
        x: (batch, in, *map).
        kernels: (batch, out, in // groups, *kernel), or (out, in // groups, *kernel) for all.
        stride: step along each axis of the map.
        padding: zeros (before, after) each axis of the map.
        dilation: distance of neighbouring taps along each axis.
        groups: number of groups of channels.

    Returns:
        (batch, out, *map after convolution).
    """
    kernels = kernels.to(x.dtype)
    if any(before != after for before, after in padding):  # torch's convolutions take one number
        x, padding = pad(x, padding), no_padding(len(padding))
    if kernels.dim() == x.dim():
        sides = tuple(before for before, _ in padding)
        return _CONVS[x.dim() - 3](x, kernels, None, stride, sides, dilation, groups)
    form = _as_patches if _batch_may_change() or x.shape[0] == 0 else _as_groups
    return form(x, kernels, stride, padding, dilation, groups)


def _batch_may_change() -> bool:
    """Whether a graph is being recorded that may be run with another batch size."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()


def _as_groups(
    x: torch.Tensor,
    kernels: torch.Tensor,
    stride: Sequence[int],
    padding: Pairs,
    dilation: Sequence[int],
    groups: int,
) -> torch.Tensor:
    """All samples as groups of one convolution. `reshape`, because x may be channels_last."""
    y = _CONVS[x.dim() - 3](
        x.reshape(1, -1, *x.shape[2:]),
        kernels.flatten(0, 1),
        None,
        stride,
        tuple(before for before, _ in padding),
        dilation,
        groups * x.shape[0],
    )  # (1, batch * out, *map)
    return y.reshape(x.shape[0], -1, *y.shape[2:])


def _as_patches(
    x: torch.Tensor,
    kernels: torch.Tensor,
    stride: Sequence[int],
    padding: Pairs,
    dilation: Sequence[int],
    groups: int,
) -> torch.Tensor:
    """The patches of each group of channels times the kernels of that group."""
    taps = kernels.shape[3:]
    patches = _patches(pad(x, padding), taps, stride, dilation)  # (batch, in, *kernel, *map)
    size = patches.shape[2 + len(taps) :]
    columns = kernels.shape[2] * prod(taps)  # in // groups * kernel positions
    # `reshape` would compare strides, which ties an exported graph to some sizes of the map.
    patches = patches.clone(memory_format=torch.contiguous_format)
    patches = patches.view(x.shape[0], groups, columns, prod(size))
    rows = kernels.reshape(x.shape[0], groups, kernels.shape[1] // groups, columns)
    return (rows @ patches).reshape(x.shape[0], kernels.shape[1], *size)


def _patches(
    x: torch.Tensor, taps: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> torch.Tensor:
    """What each tap sees, (batch, in, *kernel, *map after convolution): a view of x."""
    rank = len(taps)
    for axis, (count, step, reach) in enumerate(zip(taps, stride, dilation, strict=True), start=2):
        x = x.unfold(axis, reach * (count - 1) + 1, step)[..., ::reach]
    # `unfold` leaves the taps behind the map: (batch, in, *map, *kernel).
    order = (*range(2 + rank, 2 + 2 * rank), *range(2, 2 + rank))
    return x.permute(0, 1, *order)
