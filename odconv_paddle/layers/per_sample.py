"""A convolution with one kernel for each sample, or with one for all."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod

import paddle
from paddle.nn import functional as F

_CONVS = (F.conv1d, F.conv2d, F.conv3d)  # by rank - 1


def conv_per_sample(
    x: paddle.Tensor,
    kernels: paddle.Tensor,
    stride: Sequence[int],
    padding: Sequence[tuple[int, int]],
    dilation: Sequence[int],
    groups: int,
) -> paddle.Tensor:
    """Each sample convolved with its own of `kernels`, or all with the only one.

    Args:
        x: (batch, in, *map).
        kernels: (batch or 1, out, in // groups, *kernel).
        stride: step along each axis of the map.
        padding: zeros (before, after) each axis of the map.
        dilation: distance of neighbouring taps along each axis.
        groups: number of groups of channels.
    """
    kernels = kernels.astype(x.dtype)
    if kernels.shape[0] == 1:
        pads = [side for pair in padding for side in pair]
        conv = _CONVS[x.ndim - 3]
        return conv(x, kernels[0], None, list(stride), pads, list(dilation), groups)
    # A batched product, because a static graph cannot turn a batch of unknown size into groups of
    # a convolution. In the new shapes 0 keeps a size and -1 infers it.
    out, taps = kernels.shape[1], prod(kernels.shape[2:])  # the taps of all input channels
    kernel = kernels.shape[3:]
    patches = _patches(x, kernel, stride, padding, dilation).reshape([0, groups, taps, -1])
    y = paddle.matmul(kernels.reshape([0, groups, out // groups, taps]), patches)
    sizes = _sizes_after(x, kernel, stride, padding, dilation)
    return y.reshape([0, out, *sizes[:-1], -1])


def _patches(
    x: paddle.Tensor,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[tuple[int, int]],
    dilation: Sequence[int],
) -> paddle.Tensor:
    """What each tap sees, in the order (batch, in, taps, positions), some of the axes merged."""
    if x.ndim == 3:
        x, kernel, stride = x.unsqueeze(3), (*kernel, 1), (*stride, 1)
        padding, dilation = (*padding, (0, 0)), (*dilation, 1)
    if x.ndim == 4 and prod(kernel) > 1:  # the faster way, but Paddle has it for two axes only
        (top, bottom), (left, right) = padding
        return F.unfold(x, list(kernel), list(stride), [top, left, bottom, right], list(dilation))
    if any(side for pair in padding for side in pair):
        # F.pad takes the last axis first.
        x = F.pad(x, [side for pair in reversed(padding) for side in pair])
    places = product(*map(_places, kernel, stride, dilation))
    return paddle.stack([x[(slice(None), slice(None), *place)] for place in places], axis=2)


def _places(taps: int, step: int, reach: int) -> list[slice]:
    """Where each tap of one axis reads; the end is counted from the map's end."""
    span = (taps - 1) * reach
    return [slice(start, start - span or None, step) for start in range(0, span + 1, reach)]


def _sizes_after(
    x: paddle.Tensor,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[tuple[int, int]],
    dilation: Sequence[int],
) -> list[int | paddle.Tensor]:
    """Size of each axis of the map after the convolution."""
    axes = zip(range(2, x.ndim), kernel, stride, padding, dilation, strict=True)
    return [
        (_size(x, axis) + sum(pads) - (taps - 1) * reach - 1) // step + 1
        for axis, taps, step, pads, reach in axes
    ]


def _size(x: paddle.Tensor, axis: int) -> int | paddle.Tensor:
    size = x.shape[axis]
    return size if size >= 0 else paddle.shape(x)[axis]
