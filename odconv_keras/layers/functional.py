"""Dynamic convolutions as functions of the input, the kernels and what mixes them."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from keras import ops

from odconv_keras.layers.attention import Attentions
from odconv_keras.layers.conv import conv, conv_per_sample
from odconv_keras.layers.padding import Window


def od_conv(
    x: Any,
    kernel: Any,
    attentions: Attentions,
    bias: Any = None,
    strides: Sequence[int] = (1, 1),
    padding: Any = "valid",
    dilation_rate: Sequence[int] = (1, 1),
) -> Any:
    """Omni-dimensional dynamic convolution, https://openreview.net/forum?id=DmpCfq6Mg39, eq. 2.

    Channels are last; the number of groups follows from the channels, as in `keras.ops.conv`.

    Args:
        x: (batch, *map, in).
        kernel: (kernel_num, *kernel, in // groups, out).
        attentions: what scales the input, the kernels and the output.
        bias: (out,), added after the filter attention.
        strides: step along each axis of the map.
        padding: "valid", "same", or zeros (before, after) each axis of the map.
        dilation_rate: distance of neighbouring taps along each axis.

    Returns:
        (batch, *map after convolution, out).

    Example:
        >>> x, kernel = keras.ops.ones((2, 8, 9, 6)), keras.ops.ones((4, 3, 3, 6, 10))
        >>> attentions = Attentions(None, None, None, kernel=keras.ops.ones((2, 4)) / 4)
        >>> tuple(od_conv(x, kernel, attentions, padding="same").shape)
        (2, 8, 9, 10)
    """
    window = Window.of(kernel.shape[1:-2], strides, padding, dilation_rate)
    return od_conv_in_window(x, kernel, attentions, bias, window)


def od_conv_in_window(
    x: Any, kernel: Any, attentions: Attentions, bias: Any, window: Window
) -> Any:
    """`od_conv` with its geometry as a window, which a layer makes once."""
    attentions = Attentions(*[None if a is None else ops.cast(a, x.dtype) for a in attentions])
    if _own_of_each_kernel(attentions, len(x.shape)):
        groups = x.shape[-1] // kernel.shape[-2]
        y = conv_per_sample(x, _aggregate_scaled(kernel, attentions, groups), window)
        return y if bias is None else y + bias
    if attentions.channel is not None:
        x = x * attentions.channel
    if attentions.kernel is None and attentions.spatial is None:
        y = conv(x, kernel[0], window)
    else:
        y = conv_per_sample(x, aggregate(kernel, attentions.kernel, attentions.spatial), window)
    if attentions.filter is not None:
        y = y * attentions.filter
    return y if bias is None else y + bias


def mixed_conv(
    x: Any,
    kernel: Any,
    mixing: Any,
    bias: Any = None,
    strides: Sequence[int] = (1, 1),
    padding: Any = "valid",
    dilation_rate: Sequence[int] = (1, 1),
) -> Any:
    """Convolution with a mixture of kernels: DyConv and CondConv.

    See https://arxiv.org/abs/1912.03458, eq. 2, and https://arxiv.org/abs/1904.04971, eq. 1.

    Args:
        x: (batch, *map, in).
        kernel: (kernel_num, *kernel, in // groups, out).
        mixing: (batch, kernel_num), how much of each kernel a sample takes.
        bias: (kernel_num, out), mixed like the kernels, or (out,), added as it is.
        strides: step along each axis of the map.
        padding: "valid", "same", or zeros (before, after) each axis of the map.
        dilation_rate: distance of neighbouring taps along each axis.

    Returns:
        (batch, *map after convolution, out).

    Example:
        >>> x, kernel = keras.ops.ones((2, 8, 9, 6)), keras.ops.ones((4, 3, 3, 6, 10))
        >>> tuple(mixed_conv(x, kernel, keras.ops.ones((2, 4)) / 4).shape)
        (2, 6, 7, 10)
    """
    window = Window.of(kernel.shape[1:-2], strides, padding, dilation_rate)
    return mixed_conv_in_window(x, kernel, mixing, bias, window)


def mixed_conv_in_window(x: Any, kernel: Any, mixing: Any, bias: Any, window: Window) -> Any:
    """`mixed_conv` with its geometry as a window, which a layer makes once."""
    mixing = ops.cast(mixing, x.dtype)
    y = conv_per_sample(x, aggregate(kernel, mixing, None), window)
    if bias is None:
        return y
    if len(bias.shape) == 2:
        bias = ops.reshape(mixing @ bias, (-1, *(1,) * (len(x.shape) - 2), bias.shape[-1]))
    return y + bias


def aggregate(bank: Any, kernel: Any, spatial: Any) -> Any:
    """The kernel of each sample, (batch, *kernel, in // groups, out).

    Without a kernel attention the bank has one kernel, which the spatial attention scales.
    """
    if kernel is not None:
        shape = bank.shape[1:]
        # A matrix product: the (batch, kernel_num, ...) product is never held in memory.
        bank = kernel @ ops.reshape(bank, (bank.shape[0], -1))
        bank = ops.reshape(bank, (-1, *shape))
    return bank if spatial is None else bank * spatial


def _own_of_each_kernel(attentions: Attentions, axes: int) -> bool:
    """Whether the kernels do not share their attentions, for an input of `axes` axes."""
    channel, filters, spatial, _ = attentions
    for attention in (channel, filters):
        if attention is not None and len(attention.shape) > axes:
            return True
    return spatial is not None and len(spatial.shape) > axes + 1


def _aggregate_scaled(bank: Any, attentions: Attentions, groups: int) -> Any:
    """The kernel of each sample, (batch, *kernel, in // groups, out), all attentions included.

    Attentions of one kernel cannot scale the map that all kernels see, so they scale the kernel.
    """
    count, *taps, inputs, outputs = bank.shape
    # (kernel_num, *kernel, in // groups, groups, out // groups)
    bank = ops.reshape(bank, (count, *taps, inputs, groups, outputs // groups))
    total = 0.0
    for index in range(count):  # one after the other: their sum fits where all of them would not
        scaled = bank[index]
        for factor in _factors(attentions, index, bank.shape):
            scaled = scaled * factor
        total = total + scaled
    return ops.reshape(total, (-1, *taps, inputs, outputs))


def _factors(attentions: Attentions, index: int, shape: Sequence[int]) -> list[Any]:
    """The attentions of one kernel as (batch, ...) that scale it in a bank of `shape`."""
    count, *taps, inputs, groups, outputs = shape
    ones = (1,) * len(taps)

    def own(attention: Any, *shape: int) -> Any:
        # In three axes: runtimes take no part of more than five.
        return ops.reshape(ops.reshape(attention, (-1, count, prod(shape)))[:, index], (-1, *shape))

    found = []
    if attentions.channel is not None:
        channel = own(attentions.channel, *ones, groups, inputs)
        found.append(ops.expand_dims(ops.swapaxes(channel, -1, -2), -1))
    if attentions.filter is not None:
        found.append(own(attentions.filter, *ones, 1, groups, outputs))
    if attentions.spatial is not None:
        found.append(own(attentions.spatial, *taps, 1, 1, 1))
    if attentions.kernel is not None:
        found.append(own(attentions.kernel, *ones, 1, 1, 1))
    return found
