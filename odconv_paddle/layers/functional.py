"""The dynamic convolutions as functions of their input, their kernels and what mixes them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from math import prod
from operator import mul

import paddle

from odconv_paddle.layers import tiles
from odconv_paddle.layers.attention import Attentions
from odconv_paddle.layers.differentiable import flattened
from odconv_paddle.layers.per_sample import conv_per_sample, sizes_after
from odconv_paddle.layers.scaled import scaled, times


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

    Example:
        >>> x, weight = paddle.rand([2, 6, 8, 9]), paddle.rand([4, 10, 6, 3, 3])
        >>> attentions = Attentions(None, None, None, kernel=paddle.full([2, 4], 0.25))
        >>> tuple(od_conv(x, weight, attentions, padding=((1, 1), (1, 1))).shape)
        (2, 10, 8, 9)
    """
    # By position, because to_static hands a named tuple over as a plain one.
    channel, filters, spatial, kernel = attentions
    if _each_kernel_has_its_own(x, weight, channel, filters, spatial):
        kernels = aggregate_scaled(weight, Attentions(channel, filters, spatial, kernel), groups)
        return _plus(conv_per_sample(x, kernels, None, stride, padding, dilation, groups), bias)
    sizes = sizes_after(x, weight.shape[3:], stride, padding, dilation)
    if kernel is not None and tiles.are_faster(x, weight, sizes, groups):
        x = x if channel is None else x * channel.astype(x.dtype)
        y = tiles.conv_in_tiles(x, weight, kernel, spatial, sizes, stride, padding, dilation)
        return _plus(times(y, filters), bias)
    kernels = aggregate(weight, kernel)
    x, kernels, filters = scaled(x, kernels, channel, filters, sizes, groups)
    y = conv_per_sample(x, kernels, spatial, stride, padding, dilation, groups)
    return _plus(times(y, filters), bias)


@paddle.jit.marker.unified  # to_static records the calls and leaves the source alone
def mixed_conv(
    x: paddle.Tensor,
    weight: paddle.Tensor,
    mixing: paddle.Tensor,
    bias: paddle.Tensor | None = None,
    stride: Sequence[int] = (1, 1),
    padding: Sequence[tuple[int, int]] = ((0, 0), (0, 0)),
    dilation: Sequence[int] = (1, 1),
    groups: int = 1,
) -> paddle.Tensor:
    """A convolution with a mixture of kernels: DyConv and CondConv.

    See https://arxiv.org/abs/1912.03458, section 3.2, and https://arxiv.org/abs/1904.04971, eq. 1.

    Args:
        x: (batch, in, *map).
        weight: (kernel_num, out, in // groups, *kernel).
        mixing: (batch, kernel_num), the weight of each kernel in each sample.
        bias: (kernel_num, out), mixed like the kernels, or (out,), added as it is.
        stride: step along each axis of the map.
        padding: zeros (before, after) each axis of the map.
        dilation: distance of neighbouring taps along each axis.
        groups: number of groups of channels.

    Returns:
        (batch, out, *map after convolution).

    Example:
        >>> x, weight = paddle.rand([2, 6, 8, 9]), paddle.rand([4, 10, 6, 3, 3])
        >>> tuple(mixed_conv(x, weight, paddle.full([2, 4], 0.25)).shape)
        (2, 10, 6, 7)
    """
    sizes = sizes_after(x, weight.shape[3:], stride, padding, dilation)
    if tiles.are_faster(x, weight, sizes, groups):
        y = tiles.conv_in_tiles(x, weight, mixing, None, sizes, stride, padding, dilation)
    else:
        kernels = aggregate(weight, mixing)
        y = conv_per_sample(x, kernels, None, stride, padding, dilation, groups)
    if bias is not None and bias.ndim == 2:
        bias = paddle.matmul(mixing.astype(bias.dtype), bias)  # (batch, out)
    return _plus(y, bias)


def aggregate(weight: paddle.Tensor, mixing: paddle.Tensor | None) -> paddle.Tensor:
    """The kernel of each sample, (batch, out, in // groups, *kernel); of a single kernel, batch 1.

    A matrix product: the (batch, kernel_num, out, ...) product is never held in memory.
    """
    if mixing is None:
        return weight
    mixed = paddle.matmul(mixing.astype(weight.dtype), flattened(weight, 1))
    return mixed.reshape([-1, *weight.shape[1:]])


def aggregate_scaled(weight: paddle.Tensor, attentions: Attentions, groups: int) -> paddle.Tensor:
    """`aggregate` where channels, filters and taps of each kernel are scaled before they are mixed.

    Scaling the input by a channel attention is scaling the kernels that see it.
    """
    number, out, inner, *kernel = weight.shape
    taps = prod(kernel)
    shapes = (  # (batch, kernel_num, groups, out // groups, in // groups, taps)
        (-1, number, groups, 1, inner, 1),
        (-1, number, groups, out // groups, 1, 1),
        (-1, number, 1, 1, 1, taps),
        (-1, number, 1, 1, 1, 1),
    )
    factors = [
        attention.astype(weight.dtype).reshape(shape)
        for attention, shape in zip(attentions, shapes, strict=True)
        if attention is not None
    ]
    bank = weight.reshape([number, groups, out // groups, inner, taps])
    # One kernel after the other, so that no (batch, kernel_num, out, ...) product is held.
    scaled = (reduce(mul, (f[:, k] for f in factors)) * bank[k] for k in range(number))
    return reduce(paddle.add, scaled).reshape([-1, out, inner, *kernel])


def _each_kernel_has_its_own(
    x: paddle.Tensor,
    weight: paddle.Tensor,
    channel: paddle.Tensor | None,
    filters: paddle.Tensor | None,
    spatial: paddle.Tensor | None,
) -> bool:
    """Whether attentions have an axis for the kernels, in which they do not share them."""
    pairs = ((channel, x), (filters, x), (spatial, weight))
    return any(a is not None and a.ndim > scaled.ndim for a, scaled in pairs)


def _plus(y: paddle.Tensor, bias: paddle.Tensor | None) -> paddle.Tensor:
    """`y` with a bias of (out,) or (batch, out)."""
    if bias is None:
        return y
    ones = [1] * (y.ndim - 2)
    shape = [-1, *ones] if bias.ndim == 1 else [-1, bias.shape[1], *ones]
    return y + bias.astype(y.dtype).reshape(shape)
