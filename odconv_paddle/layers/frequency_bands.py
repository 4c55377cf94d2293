"""The frequency bands of a map, each scaled at each position.

A low-pass is a circular convolution along both axes, and is computed as products with matrices:
those have all derivatives, and are in a static graph what they are outside of one, whatever the
size of the map.
"""

from __future__ import annotations

from math import pi
from typing import Any

import paddle
from paddle import ParamAttr, nn
from paddle.autograd import PyLayer
from paddle.nn import functional as F
from paddle.nn.initializer import Constant, Initializer, Normal

from odconv_paddle.layers.differentiable import is_recorded
from odconv_paddle.layers.temperature import at_least_float32
from odconv_spec import FDConvSpec
from odconv_spec.fd_conv import BAND_LIMITS, BAND_MASK


class BandWeight(nn.Layer):
    """The arrays of a 3x3 convolution that gives a band's weights, (1, in, 3, 3) and (1,).

    It is no `paddle.nn.Conv2D`, as code that replaces or quantises those shall leave it.
    """

    def __init__(self, spec: FDConvSpec) -> None:
        super().__init__()
        self.spec = spec.band_weight()
        near: Initializer = Normal(std=1e-6) if spec.head_init == "published" else Constant(0.0)
        self.weight = self.create_parameter(
            list(self.spec.kernel_shape), attr=ParamAttr(initializer=near)
        )
        zero = ParamAttr(initializer=Constant(0.0))
        self.bias = self.create_parameter([1], attr=zero, is_bias=True)


@paddle.jit.marker.unified  # to_static records the calls and leaves the source alone
class FrequencyBands(nn.Layer):
    """Cuts a map into four bands and scales all but the lowest by a factor at each position.

    Args:
        spec: of the convolution that sees the map.

    Example:
        >>> spec = FDConvSpec(in_channels=4, out_channels=8, kernel_size=3)
        >>> tuple(FrequencyBands(spec)(paddle.rand([2, 4, 8, 9])).shape)
        (2, 4, 8, 9)
    """

    def __init__(self, spec: FDConvSpec) -> None:
        super().__init__()
        self.freq_weight_conv_list = nn.LayerList([BandWeight(spec) for _ in BAND_LIMITS])

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """(batch, in, height, width) to the same."""
        weights = paddle.concat([layer.weight for layer in self.freq_weight_conv_list])
        biases = paddle.concat([layer.bias for layer in self.freq_weight_conv_list])
        # (batch, 1, height, width) of each band, of which the last passes as it is
        logits = at_least_float32(F.conv2d(x, weights.astype(x.dtype), biases, padding=1))
        gates: list[Any] = [*(2 * F.sigmoid(logits)).split(len(BAND_LIMITS), axis=1), 1.0]
        wide = at_least_float32(x)
        y = wide * gates[0]
        # By number: the `zip` of Paddle's `to_static` takes no `strict`.
        for number, low in enumerate(_lows(wide)):
            y = y + low * (gates[number + 1] - gates[number])
        return y.astype(x.dtype)


def _lows(x: paddle.Tensor) -> list[paddle.Tensor]:
    """The map without the frequencies above each limit."""
    height, width = (_size(x, axis) for axis in (2, 3))
    # How many columns each stands for, of the half of the spectrum that a real map has.
    rows, columns = _counted(height), _counted(width // 2 + 1)
    shares = (columns > 0).astype(x.dtype) + (2 * columns < width).astype(x.dtype)
    wide = _stretched(BAND_MASK[1], width // 2 + 1)
    high = _stretched(BAND_MASK[0], height)
    high = paddle.minimum(high, BAND_MASK[0] - high)  # as the rows behind the middle are negative
    found = []
    for limit in BAND_LIMITS:
        even, odd = _circulants((wide <= limit).astype(x.dtype) * shares, columns, width)
        upright, skew = _circulants((high <= limit).astype(x.dtype), rows, height)
        matrices = (upright, skew, even, odd)
        found.append(_Low.apply(x, matrices) if is_recorded(x) else _low(x, matrices))
    return found


def _low(x: paddle.Tensor, matrices: tuple[paddle.Tensor, ...]) -> paddle.Tensor:
    """The cosine of a sum; the sines cancel where both of each pair of rows pass."""
    upright, skew, even, odd = matrices
    low = paddle.matmul(paddle.matmul(upright, x), even)
    return low + paddle.matmul(paddle.matmul(skew, x), odd)


class _Low(PyLayer):
    """`_low`, which is its own gradient: Paddle ends at the second one of a constant's product."""

    @staticmethod
    def forward(ctx: Any, x: paddle.Tensor, matrices: tuple[paddle.Tensor, ...]) -> paddle.Tensor:
        ctx.matrices = matrices
        return _low(x, matrices)

    @staticmethod
    def backward(ctx: Any, gradient: paddle.Tensor) -> paddle.Tensor:
        low: paddle.Tensor = _Low.apply(gradient, ctx.matrices)
        return low


def _circulants(
    shares: paddle.Tensor, columnss: paddle.Tensor, length: int | paddle.Tensor
) -> tuple[paddle.Tensor, paddle.Tensor]:
    """Sums over frequencies k of cos(k * (i - j)) and of sin(k * (i - j)), by the share of each.

    Both are (length, length).
    """
    places = _counted(length).unsqueeze(1)
    turns = (places * columnss % length).astype(shares.dtype) / length
    cosines, sines = paddle.cos(2 * pi * turns), paddle.sin(2 * pi * turns)
    weighed, turned = cosines * shares / length, sines * shares / length
    even = paddle.matmul(weighed, cosines.T) + paddle.matmul(turned, sines.T)
    return even, paddle.matmul(turned, cosines.T) - paddle.matmul(weighed, sines.T)


def _stretched(source: int, length: int | paddle.Tensor) -> paddle.Tensor:
    """Which of `source` elements stands at each of `length` places, as in F.interpolate."""
    places = _counted(length).astype("float32")
    return (places * (source / length)).floor().clip(max=source - 1)


def _counted(length: int | paddle.Tensor) -> paddle.Tensor:
    return paddle.arange(length, dtype="int64")


def _size(x: paddle.Tensor, axis: int) -> int | paddle.Tensor:
    size = x.shape[axis]
    return size if size >= 0 else paddle.shape(x)[axis].astype("int64")
