"""DyConv layers for one, two and three spatial axes."""

from __future__ import annotations

import paddle

from odconv_paddle.layers.data_format import is_channels_last
from odconv_paddle.layers.dy_attention import DyAttention
from odconv_paddle.layers.dynamic import Attr, Padding, Size
from odconv_paddle.layers.functional import mixed_conv
from odconv_paddle.layers.kernel_bank import KernelBank
from odconv_paddle.layers.padding import as_spec_padding
from odconv_spec import DyConvSpec


@paddle.jit.marker.unified  # to_static records the calls and leaves the source alone
class _DyConv(KernelBank):
    spec_class = DyConvSpec
    spec: DyConvSpec

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Padding = 0,
        dilation: Size = 1,
        groups: int = 1,
        *,
        padding_mode: str = "zeros",
        weight_attr: Attr = None,
        bias_attr: Attr = None,
        data_format: str | None = None,
        kernel_num: int = 4,
        reduction: float = 0.25,
        hidden_rule: str = "paper",
        hidden_channels: int | None = None,
        fc1_bias: bool = False,
        fc2_bias: bool = True,
        head_init: str = "zero",
    ) -> None:
        spec = DyConvSpec(
            in_channels=in_channels,
            out_channels=out_channels,
            kernel_size=kernel_size,
            stride=stride,
            padding=as_spec_padding(padding, self.rank, is_channels_last(data_format, self.rank)),
            dilation=dilation,
            groups=groups,
            bias=bias_attr is not False,
            rank=self.rank,
            kernel_num=kernel_num,
            reduction=reduction,
            hidden_rule=hidden_rule,
            hidden_channels=hidden_channels,
            fc1_bias=fc1_bias,
            fc2_bias=fc2_bias,
            head_init=head_init,
        )
        super().__init__(spec, padding_mode, weight_attr, bias_attr, data_format)

    def _build_attention(self) -> None:
        self.attention = DyAttention(self.spec)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = self._channels_first(x)
        y = mixed_conv(x, self.weight, self.attention(x), self.bias, *self._geometry)
        return self._as_given(y)


class DyConv1D(_DyConv):
    """`DyConv2D` over one axis: (batch, in, length) to (batch, out, length).

    `data_format` is "NCL" or "NLC".

    Example:
        >>> tuple(DyConv1D(16, 32, 3, padding=1)(paddle.rand([1, 16, 9])).shape)
        (1, 32, 9)
    """

    rank = 1


class DyConv2D(_DyConv):
    """Dynamic convolution, https://arxiv.org/abs/1912.03458.

    Mixes `kernel_num` kernels and biases for each sample by a softmax of two small layers on the
    sample's mean. Takes the arguments of `paddle.nn.Conv2D` in their order.

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
        bias_attr: `paddle.ParamAttr` of the biases (kernel_num, out_channels); False for none.
        data_format: "NCHW", the default, or "NHWC", which is transposed on the way in and out.
        kernel_num: number of kernels that are mixed.
        reduction: hidden width of the attention over `in_channels`.
        hidden_rule: "paper" is int(in_channels * reduction), at least 1; "plus_one" is the rule of
            circulating code, int(in_channels * reduction) + 1, or `kernel_num` for three channels.
        hidden_channels: the hidden width itself, instead of a rule.
        fc1_bias: whether the attention's first layer has a bias.
        fc2_bias: whether its second layer has one.
        head_init: "zero" starts with equal shares, which is what trains on small data;
            "published" with a Kaiming normal second layer.

    Raises:
        ValueError: an option is out of range, or an input has other axes or channels.

    Example:
        >>> tuple(DyConv2D(16, 32, 3, padding=1)(paddle.rand([1, 16, 8, 9])).shape)
        (1, 32, 8, 9)
    """

    rank = 2


class DyConv3D(_DyConv):
    """`DyConv2D` over three axes: (batch, in, depth, height, width).

    `data_format` is "NCDHW" or "NDHWC".

    Example:
        >>> tuple(DyConv3D(16, 32, 3, padding=1)(paddle.rand([1, 16, 7, 8, 9])).shape)
        (1, 32, 7, 8, 9)
    """

    rank = 3
