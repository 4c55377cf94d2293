"""ODConv as a function of its input, its kernels and its attentions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod

import paddle
from paddle.nn import functional as F

from odconv_paddle.layers.attention import Attentions

_CONVS = (F.conv1d, F.conv2d, F.conv3d)  # by rank - 1


@paddle.jit.marker.unified  # to_static records the calls and leaves the source alone
def od_conv(
    x: paddle.Tensor,
    weight: paddle.Tensor,
    attentions: Attentions,
    bias: paddle.Tensor | None = None,
    stride: Sequence[int] = (1, 1),
    padding: Sequence[tuple[int, int]] = ((0, 0), (0, 0)),
    dilation: Sequence[int] = (1, 1),
    groups: int = 1,
) -> paddle.Tensor:
    """Omni-dimensional dynamic convolution, https://openreview.net/forum?id=DmpCfq6Mg39, eq. 2.

    Args:
        x: (batch, in, *map).
        weight: (kernel_num, out, in // groups, *kernel).
        attentions: what scales the input, the kernels and the output.
        bias: (out,), added after the filter attention.
        stride: step along each axis of the map.
        padding: zeros (before, after) each axis of the map.
        dilation: distance of neighbouring taps along each axis.
        groups: number of groups of channels.

    Returns:
        (batch, out, *map after convolution).
    """
    # By position, because to_static hands a named tuple over as a plain one.
    channel, filters, spatial, kernel = attentions
    if channel is not None:
        x = x * channel.astype(x.dtype)
    kernels = aggregate(weight, kernel, spatial)
    y = _conv_per_sample(x, kernels, stride, padding, dilation, groups)
    if filters is not None:
        y = y * filters.astype(y.dtype)
    return y if bias is None else y + bias.astype(y.dtype).reshape([-1, *[1] * (y.ndim - 2)])


def aggregate(
    weight: paddle.Tensor, kernel: paddle.Tensor | None, spatial: paddle.Tensor | None
) -> paddle.Tensor:
    """The kernel of each sample, (batch, out, in // groups, *kernel).

    Where neither attention exists all samples share one kernel and the batch is 1.
    """
    if kernel is not None:
        # A matrix product: the (batch, kernel_num, out, ...) product is never held in memory.
        mixed = paddle.matmul(kernel.astype(weight.dtype), weight.flatten(1))
        weight = mixed.reshape([-1, *weight.shape[1:]])
    return weight if spatial is None else weight * spatial.astype(weight.dtype)


def _conv_per_sample(
    x: paddle.Tensor,
    kernels: paddle.Tensor,  # (batch or 1, out, in // groups, *kernel)
    stride: Sequence[int],
    padding: Sequence[tuple[int, int]],
    dilation: Sequence[int],
    groups: int,
) -> paddle.Tensor:
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
