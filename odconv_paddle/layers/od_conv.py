"""ODConv layers for one, two and three spatial axes."""

from __future__ import annotations

from collections.abc import Sequence

import paddle

from odconv_paddle.layers.attention import Attentions, ODAttention
from odconv_paddle.layers.data_format import is_channels_last
from odconv_paddle.layers.dynamic import Attr, Padding, Size
from odconv_paddle.layers.functional import od_conv
from odconv_paddle.layers.kernel_bank import KernelBank
from odconv_paddle.layers.padding import as_spec_padding
from odconv_spec import ODConvSpec

_CONSTANT = Attentions(None, None, None, None)


@paddle.jit.marker.unified  # to_static records the calls and leaves the source alone
class _ODConv(KernelBank):
    spec_class = ODConvSpec
    spec: ODConvSpec
    attention: ODAttention | None

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
        bias_attr: Attr = False,
        data_format: str | None = None,
        kernel_num: int = 4,
        reduction: float = 0.0625,
        min_channels: int = 16,
        head_init: str = "zero",
        attentions: Sequence[str] = ("channel", "filter", "spatial", "kernel"),
        spatial_activation: str = "sigmoid",
        attention_sharing: bool = True,
        norm: str = "batch",
    ) -> None:
        spec = ODConvSpec(
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
            min_channels=min_channels,
            head_init=head_init,
            attentions=attentions,
            spatial_activation=spatial_activation,
            attention_sharing=attention_sharing,
            norm=norm,
        )
        super().__init__(spec, padding_mode, weight_attr, bias_attr, data_format)

    def _build_attention(self) -> None:
        self.attention = ODAttention(self.spec) if self.spec.heads() else None

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = self._channels_first(x)
        attentions = _CONSTANT if self.attention is None else self.attention(x)
        y = od_conv(x, self.weight, attentions, self.bias, *self._geometry)
        return self._as_given(y)


class ODConv1D(_ODConv):
    """`ODConv2D` over one axis: (batch, in, length) to (batch, out, length).

    `data_format` is "NCL" or "NLC".

    Example:
        >>> tuple(ODConv1D(16, 32, 3, padding=1)(paddle.rand([1, 16, 9])).shape)
        (1, 32, 9)
    """

    rank = 1


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
        attentions: which of "channel", "filter", "spatial" and "kernel" exist; several kernels
            need "kernel". Without any, `attention` is None.
        spatial_activation: "sigmoid", or "softmax", in which the taps compete.
        attention_sharing: whether all kernels share one channel, filter and spatial attention, or
            each has its own.
        norm: of the attention's hidden layer: "batch", "layer" (over the channels of each sample)
            or "none".

    Raises:
        ValueError: an option is out of range, or an input has other axes or channels.

    Example:
        >>> tuple(ODConv2D(16, 32, 3, padding=1)(paddle.rand([1, 16, 8, 9])).shape)
        (1, 32, 8, 9)
    """

    rank = 2


class ODConv3D(_ODConv):
    """`ODConv2D` over three axes: (batch, in, depth, height, width).

    `data_format` is "NCDHW" or "NDHWC".

    Example:
        >>> tuple(ODConv3D(16, 32, 3, padding=1)(paddle.rand([1, 16, 7, 8, 9])).shape)
        (1, 32, 7, 8, 9)
    """

    rank = 3
