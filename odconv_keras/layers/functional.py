"""ODConv as a function of its input, its kernels and its attentions."""

from __future__ import annotations

from collections.abc import Sequence
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
    """
    attentions = Attentions(*(None if a is None else ops.cast(a, x.dtype) for a in attentions))
    window = Window.of(kernel.shape[1:-2], strides, padding, dilation_rate)
    if attentions.channel is not None:
        x = x * attentions.channel
    if attentions.kernel is None and attentions.spatial is None:
        y = conv(x, kernel[0], window)
    else:
        y = conv_per_sample(x, aggregate(kernel, attentions.kernel, attentions.spatial), window)
    if attentions.filter is not None:
        y = y * attentions.filter
    return y if bias is None else y + bias


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
