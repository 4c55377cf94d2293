"""What makes the kernels of WeightNet: layers on the mean of a map, which see one position."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from math import prod
from typing import Any

import paddle
from paddle import ParamAttr, nn
from paddle.nn.initializer import Constant, Initializer, Normal

from odconv_paddle.layers.per_sample import conv_per_sample
from odconv_paddle.layers.pooling import global_mean
from odconv_paddle.layers.scaled import times
from odconv_spec import ConvSpec, ReduceSpec


@paddle.jit.marker.unified  # to_static records the calls and leaves the source alone
class Grouped(nn.Layer):
    """A 1x1 convolution in groups of (batch, in) to (batch, out).

    It stores what a convolution of `paddle.nn` stores and is none, see `Pointwise`.

    Args:
        spec: a convolution of one tap, in as many groups as it likes.
        deviation: of the normal start; 0 starts at zero.
        weight_attr: `paddle.ParamAttr` of the weight.

    Example:
        >>> tuple(Reduce(64, 16).weight.shape)
        (16, 64, 1, 1)
    """

    bias: paddle.Tensor | None

    def __init__(self, spec: ConvSpec, deviation: float, weight_attr: Any = None) -> None:
        super().__init__()
        self.spec = spec
        # Plain values, because to_static cannot read a dataclass's properties.
        self._groups, self._out, self._in = spec.groups, spec.out_channels, spec.in_channels
        start: Initializer = Normal(0.0, deviation) if deviation else Constant(0.0)
        # Attributes, which a global initializer leaves alone.
        self.weight = self.create_parameter(
            list(spec.kernel_shape),  # (out, in // groups, *ones)
            attr=weight_attr or ParamAttr(initializer=start),
            default_initializer=start,
        )
        zeros = ParamAttr(initializer=Constant(0.0)) if spec.bias else False
        self.bias = self.create_parameter([spec.out_channels], attr=zeros, is_bias=True)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        groups, inner = self._groups, self._in // self._groups
        weight = self.weight.reshape([groups, self._out // groups, inner])
        # (groups, batch, in // groups): the gradient of a product that broadcasts is an error.
        rows = x.reshape([-1, groups, inner]).transpose([1, 0, 2])
        y = paddle.matmul(rows, weight, transpose_y=True)
        y = y.transpose([1, 0, 2]).reshape([-1, self._out])
        return y if self.bias is None else y + self.bias

    def extra_repr(self) -> str:
        spec = self.spec
        return f"{spec.in_channels}, {spec.out_channels}, groups={spec.groups}, bias={spec.bias}"


@paddle.jit.marker.unified  # to_static records the calls and leaves the source alone
class Reduce(Grouped):
    """The vector (batch, out_channels) that WeightNet makes kernels of, of maps (batch, in, *map).

    A linear layer on the mean. A `WeightNetConv2D` has its own, or the convolutions of a block
    share one: they are then made with `router="shared"` and called as `conv(x, reduce(x))`.

    Args:
        in_channels: channels of the map.
        out_channels: numbers of the vector.
        rank: number of axes of the map.

    Raises:
        ValueError: a number is less than one, or the rank is not 1, 2 or 3.

    Example:
        >>> tuple(Reduce(64, 16)(paddle.rand([2, 64, 8, 9])).shape)
        (2, 16)
    """

    def __init__(self, in_channels: int, out_channels: int, rank: int = 2) -> None:
        super().__init__(ReduceSpec(in_channels, out_channels, rank).conv(), 1 / in_channels)

    @classmethod
    def from_spec(cls, spec: ReduceSpec) -> Reduce:
        """The layer that `spec` describes, with random weights.

        Returns:
            The layer in training mode.
        """
        return cls(spec.in_channels, spec.out_channels, spec.rank)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return super().forward(global_mean(x, keepdim=False))


def conv_in_segments(
    x: paddle.Tensor,
    kernel: paddle.Tensor,
    numbers: paddle.Tensor,
    stride: Sequence[int],
    padding: Sequence[tuple[int, int]],
    dilation: Sequence[int],
    groups: int,
) -> paddle.Tensor:
    """A convolution whose kernel is static but for a factor of each part of each filter's taps.

    The factors scale what the parts make, so that no sample has a kernel of its own. A part that
    ends with a channel sees the channels it has; one that ends within a channel sees them all, and
    its kernel is zero where other parts are.

    Args:
        x: (batch, in, *map).
        kernel: (out, in // groups, *kernel).
        numbers: (batch, out * parts), the factors.
        stride: step along each axis of the map.
        padding: zeros (before, after) each axis of the map.
        dilation: distance of neighbouring taps along each axis.
        groups: number of groups of channels.

    Returns:
        (batch, out, *map after convolution).
    """
    out, inner = kernel.shape[:2]
    parts = numbers.shape[1] // out
    factors = numbers.reshape([-1, out, parts, *[1] * (x.ndim - 2)])
    found = []
    for part in range(parts):
        if parts == 1 or inner % parts:
            seen, taps = x, _taps_of(kernel, part, parts)
        else:
            own = slice(part * (inner // parts), (part + 1) * (inner // parts))
            seen, taps = x[:, own], kernel[:, own]
        z = conv_per_sample(seen, taps.unsqueeze(0), None, stride, padding, dilation, groups)
        found.append(times(z, factors[:, :, part]))
    return reduce(paddle.add, found)


def _taps_of(kernel: paddle.Tensor, part: int, parts: int) -> paddle.Tensor:
    """The kernel, with zeros for the taps of other parts."""
    if parts == 1:
        return kernel
    count = prod(kernel.shape[1:])
    own = paddle.arange(count) * parts // count == part
    return kernel * own.reshape([1, *kernel.shape[1:]]).astype(kernel.dtype)
