"""Convolutions with dynamic channel fusion for one, two and three spatial axes."""

from __future__ import annotations

from typing import Any

import paddle
from paddle import nn
from paddle.nn import functional as F
from paddle.nn.initializer import Constant

from odconv_paddle.layers.build_static import build_static_conv
from odconv_paddle.layers.channel_fusion import ChannelFusion
from odconv_paddle.layers.data_format import FORMATS, is_channels_last
from odconv_paddle.layers.dynamic import Attr, DynamicConv, Padding, Size
from odconv_paddle.layers.padding import as_spec_padding
from odconv_paddle.layers.pooling import adaptive_mean, global_mean
from odconv_spec import DCDConvSpec


@paddle.jit.marker.unified  # to_static records the calls and leaves the source alone
class _DCDConv(ChannelFusion, DynamicConv):
    spec_class = DCDConvSpec
    spec: DCDConvSpec

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
        form: str = "basic",
        fc_squeeze: int = 16,
        head_init: str = "published",
    ) -> None:
        spec = DCDConvSpec(
            in_channels=in_channels,
            out_channels=out_channels,
            kernel_size=kernel_size,
            stride=stride,
            padding=as_spec_padding(padding, self.rank, is_channels_last(data_format, self.rank)),
            dilation=dilation,
            groups=groups,
            bias=bias_attr is not False,
            rank=self.rank,
            form=form,
            fc_squeeze=fc_squeeze,
            head_init=head_init,
        )
        DynamicConv.__init__(self, spec, padding_mode, weight_attr, bias_attr, data_format)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """The convolved maps.

        Args:
            x: (batch, in, *map), or in the order of axes that the layer was made for.

        Returns:
            (batch, out, *map), in the order of axes of `x`.
        """
        x = self._channels_first(x)
        phi, scale = self._phi_and_scale(self._pooled(x))
        low_rank = self._p(self._fused(phi, self._q(self._centre(x))))
        y = self.conv(x) * scale.unsqueeze(list(range(2, self.rank + 2)))
        return self._as_given(low_rank + y)

    def attentions(self, x: paddle.Tensor) -> dict[str, paddle.Tensor]:
        phi, scale = self._phi_and_scale(self._pooled(self._channels_first(x)))
        return {"phi": phi, "scale": scale}

    def fold(self, scale: paddle.Tensor, shift: paddle.Tensor) -> None:
        p = getattr(self, self._p_path)
        dtype = p.weight.dtype
        if p.bias is None:
            bias = shift
            p.bias = p.create_parameter(list(self.spec.bias_shape), dtype=dtype, is_bias=True)
        else:
            bias = p.bias.astype(scale.dtype) * scale + shift
        rows = scale.reshape([-1, *[1] * (self.rank + 1)])  # (out, 1, *ones)
        for layer in (self.conv, p):
            layer.weight.set_value((layer.weight.astype(scale.dtype) * rows).astype(dtype))
        p.bias.set_value(bias.astype(dtype))

    def _build(self, weight_attr: Attr, bias_attr: Attr) -> None:
        spec = self.spec
        # Plain values, because to_static cannot read a dataclass's properties.
        self._q_path, self._p_path = spec.q_path, spec.p_path
        self._pool, self._pooled_width = (spec.pool,) * spec.rank, spec.pooled
        self._centred, self._beside_centre = spec.centred, spec.beside_centre
        self.conv = build_static_conv(spec.conv(), weight_attr)
        self.add_sublayer(spec.q_path, build_static_conv(spec.q()))
        zero = Constant(0.0) if spec.head_init == "zero" else None
        # The published MobileNetV2 has its linear layers here, and starts all of them small.
        inverted = spec.form == "inverted"
        if inverted:
            self._add_fusion(spec, True)
        self.add_sublayer(spec.p_path, build_static_conv(spec.p(), zero, bias_attr))
        self._add_norms(spec.dim, (spec.rank, 1))
        if not inverted:
            self._add_fusion(spec, False)
        if zero is not None:
            zero(self.fc_scale.weight)

    def _take_function(self, conv: nn.Layer) -> None:
        """The product of low rank is zero, and the scale one."""
        self.conv.weight.set_value(conv.weight)
        if conv.bias is not None:
            getattr(self, self._p_path).bias.set_value(conv.bias)

    def _q(self, x: paddle.Tensor) -> paddle.Tensor:
        """Q, which the published code calls `q` or `conv_q`."""
        return getattr(self, self._q_path)(x)

    def _p(self, x: paddle.Tensor) -> paddle.Tensor:
        """P, which the published code calls `p` or `conv_p`; it holds the bias."""
        return getattr(self, self._p_path)(x)

    def _pooled(self, x: paddle.Tensor) -> paddle.Tensor:
        """(batch, pooled)"""
        if self._pool[0] == 1:
            return global_mean(x, keepdim=False)
        return adaptive_mean(x, self._pool).reshape([-1, self._pooled_width])

    def _centre(self, x: paddle.Tensor) -> paddle.Tensor:
        """The positions that the centre of the kernel sees, before strides."""
        if self._centred:
            return x
        _, pads, *_ = self._geometry
        sides = [side for pair in reversed(pads) for side in pair]  # the last axis first
        channels_second: Any = FORMATS[self.rank - 1][0]
        x = F.pad(x, sides, data_format=channels_second)
        places = [slice(before, -after or None) for before, after in self._beside_centre]
        return x[(slice(None), slice(None), *places)]


class DCDConv1D(_DCDConv):
    """`DCDConv2D` over one axis: (batch, in, length) to (batch, out, length).

    `data_format` is "NCL" or "NLC".

    Example:
        >>> tuple(DCDConv1D(16, 32, 3, padding=1)(paddle.rand([1, 16, 9])).shape)
        (1, 32, 9)
    """

    rank = 1


class DCDConv2D(_DCDConv):
    """A convolution with dynamic channel fusion, https://arxiv.org/abs/2103.08756.

    The output of a static convolution is scaled, and a product of low rank is added, whose
    channels a matrix phi fuses; the scale and phi are computed from means over the sample:

        y = scale * conv(x) + P t + bias,   t = norm2(phi q) + q,   q = norm1(Q x)

    No sample has a kernel of its own: these are ordinary convolutions of the whole batch. Takes the
    arguments of `paddle.nn.Conv2D` in their order; the published layer has no bias, so `bias_attr`
    is False by default. There is no temperature. Arrays have the names of
    https://github.com/liyunsheng13/dcd.

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
        groups: number of groups of channels of the static convolution; divides both widths.
        padding_mode: "zeros", the only one.
        weight_attr: `paddle.ParamAttr` of the static convolution's kernel.
        bias_attr: `paddle.ParamAttr` of the bias, which P holds; False for none.
        data_format: "NCHW", the default, or "NHWC", which is transposed on the way in and out.
        form: "basic" reads means over four windows, "bottleneck" one mean, "inverted" four where
            the output is wider; each has its own rule for the rank, see `odconv_spec.DCDConvSpec`.
        fc_squeeze: what is read over the hidden width of the layers that compute phi and the scale.
        head_init: "published", or "zero", which starts as the static convolution alone.

    Raises:
        ValueError: an option is out of range, or an input has other axes or channels.

    Example:
        >>> tuple(DCDConv2D(16, 32, 3, padding=1)(paddle.rand([1, 16, 8, 9])).shape)
        (1, 32, 8, 9)
    """

    rank = 2


class DCDConv3D(_DCDConv):
    """`DCDConv2D` over three axes: (batch, in, depth, height, width).

    `data_format` is "NCDHW" or "NDHWC".

    Example:
        >>> tuple(DCDConv3D(16, 32, 3, padding=1)(paddle.rand([1, 16, 7, 8, 9])).shape)
        (1, 32, 7, 8, 9)
    """

    rank = 3
