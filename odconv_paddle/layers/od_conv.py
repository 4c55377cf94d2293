"""ODConv layers for one, two and three spatial axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import paddle
from paddle import nn
from paddle.nn.initializer import Constant

from odconv_paddle.layers.attention import ODConvAttention
from odconv_paddle.layers.functional import od_conv
from odconv_paddle.layers.init import kaiming_normal
from odconv_paddle.layers.padding import as_spec_padding
from odconv_paddle.layers.temperature import set_temperature
from odconv_spec import ODConvSpec

Size = int | Sequence[int]
Attr = Any  # paddle.ParamAttr, an initializer, a name or a bool, as in paddle.nn


@paddle.jit.marker.unified  # to_static records the calls and leaves the source alone
class _ODConv(nn.Layer):
    rank: ClassVar[int]
    formats: ClassVar[tuple[str, str]]  # channels first, channels last
    bias: paddle.Tensor | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | Sequence[Sequence[int]] | str = 0,
        dilation: Size = 1,
        groups: int = 1,
        *,
        padding_mode: str = "zeros",
        weight_attr: Attr = None,
        bias_attr: Attr = False,
        data_format: str | None = None,
        kernel_num: int = 4,
        reduction: float = 0.0625,
        min_channels: int = 16,
        head_init: str = "zero",
    ) -> None:
        super().__init__()
        self._data_format = self._checked_format(data_format)
        _check_paddle_options(padding_mode, weight_attr)
        self.spec = spec = ODConvSpec(
            in_channels=in_channels,
            out_channels=out_channels,
            kernel_size=kernel_size,
            stride=stride,
            padding=as_spec_padding(padding, self.rank, self._channels_last),
            dilation=dilation,
            groups=groups,
            bias=bias_attr is not False,
            rank=self.rank,
            kernel_num=kernel_num,
            reduction=reduction,
            min_channels=min_channels,
            head_init=head_init,
        )
        # Plain tuples, because to_static cannot read a dataclass's properties.
        self._geometry = (spec.strides, spec.pads, spec.dilations, spec.groups)
        self.attention = ODConvAttention(spec)
        shape = [kernel_num, *spec.kernel_shape]  # (kernel_num, out, in // groups, *kernel)
        self.weight = self.create_parameter(
            shape, attr=weight_attr, default_initializer=kaiming_normal(spec)
        )
        self.bias = self.create_parameter(
            [out_channels], attr=bias_attr, is_bias=True, default_initializer=Constant(0.0)
        )

    def set_temperature(self, temperature: float) -> None:
        """Sets the divisor of the attention logits. Raises ValueError if it is not positive."""
        set_temperature(self, temperature)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        if not self._channels_last:
            return self._forward(x)
        axes = range(1, self.rank + 1)  # of the map
        y = self._forward(x.transpose([0, self.rank + 1, *axes]))
        return y.transpose([0, *(axis + 1 for axis in axes), 1])

    def extra_repr(self) -> str:
        spec = self.spec
        shown = f"{spec.in_channels}, {spec.out_channels}, kernel_size={spec.kernel}"
        shown += f", stride={spec.strides}, padding={spec.pads}, dilation={spec.dilations}"
        shown += f", groups={spec.groups}, bias={spec.bias}, kernel_num={spec.kernel_num}"
        return f"{shown}, data_format={self._data_format}"

    def _forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return od_conv(x, self.weight, self.attention(x), self.bias, *self._geometry)

    @property
    def _channels_last(self) -> bool:
        return self._data_format == self.formats[1]

    def _checked_format(self, data_format: str | None) -> str:
        if data_format is None:
            return self.formats[0]
        if data_format not in self.formats:
            raise ValueError(
                f"data_format: expected {self.formats[0]!r} or {self.formats[1]!r}, "
                f"received {data_format!r}"
            )
        return data_format


def _check_paddle_options(padding_mode: str, weight_attr: Attr) -> None:
    if padding_mode != "zeros":
        raise ValueError(
            f"padding_mode: expected 'zeros', received {padding_mode!r}; "
            "for another padding call paddle.nn.functional.pad before the layer"
        )
    if weight_attr is False:
        raise ValueError("weight_attr: expected None or a ParamAttr, received False")


class ODConv1D(_ODConv):
    """`ODConv2D` over one axis: (batch, in, length) to (batch, out, length)."""

    rank = 1
    formats = ("NCL", "NLC")


class ODConv2D(_ODConv):
    """Omni-dimensional dynamic convolution, https://openreview.net/forum?id=DmpCfq6Mg39.

    Mixes `kernel_num` kernels for each sample and scales their taps, input channels and output
    channels, all by attentions computed from the sample itself. Takes the arguments of
    `paddle.nn.Conv2D` in their order; the published layer has no bias, so `bias_attr` is False by
    default.

    Shapes: (batch, in_channels, height, width) to (batch, out_channels, height, width), the maps
    being those of `paddle.nn.Conv2D`; channels come last with data_format="NHWC".

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: taps along height and width.
        stride: step along height and width.
        padding: zeros in any form that `paddle.nn.Conv2D` takes. "SAME" keeps the map's size, at
            any dilation, and needs stride 1; elsewhere give numbers.
        dilation: distance of neighbouring taps.
        groups: number of groups of channels; divides both widths.
        padding_mode: "zeros", the only one.
        weight_attr: `paddle.ParamAttr` of the kernels.
        bias_attr: None, True or a `paddle.ParamAttr` adds a learnt offset after the filter
            attention.
        data_format: "NCHW", the default, or "NHWC", which is transposed on the way in and out.
        kernel_num: number of kernels that are mixed.
        reduction: hidden width of the attention over `in_channels`.
        min_channels: the least hidden width.
        head_init: "zero" starts as a plain convolution, which is what trains on small data;
            "published" is the Kaiming normal start of the official code.

    Raises:
        ValueError: an option is out of range.

    Example:
        >>> ODConv2D(16, 32, 3, padding=1)(paddle.rand([1, 16, 8, 9])).shape
        [1, 32, 8, 9]
    """

    rank = 2
    formats = ("NCHW", "NHWC")


class ODConv3D(_ODConv):
    """`ODConv2D` over three axes: (batch, in, depth, height, width)."""

    rank = 3
    formats = ("NCDHW", "NDHWC")
