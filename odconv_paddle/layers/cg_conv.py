"""CGConv layers for one, two and three spatial axes."""

from __future__ import annotations

from math import prod

import paddle
from paddle import ParamAttr, nn
from paddle.nn import functional as F
from paddle.nn.initializer import Constant

from odconv_paddle.layers.build_static import build_norm
from odconv_paddle.layers.data_format import is_channels_last
from odconv_paddle.layers.dynamic import Attr, DynamicConv, Padding, Size
from odconv_paddle.layers.init import kaiming_normal
from odconv_paddle.layers.padding import as_spec_padding
from odconv_paddle.layers.per_sample import conv_per_sample
from odconv_paddle.layers.pooling import adaptive_mean
from odconv_paddle.layers.recalibration import gate, uniform
from odconv_spec import CGConvSpec, LinearSpec, NormSpec


@paddle.jit.marker.unified  # to_static records the calls and leaves the source alone
class _CGConv(DynamicConv):
    spec_class = CGConvSpec
    spec: CGConvSpec
    bias: paddle.Tensor | None

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
        head_init: str = "published",
    ) -> None:
        spec = CGConvSpec(
            in_channels=in_channels,
            out_channels=out_channels,
            kernel_size=kernel_size,
            stride=stride,
            padding=as_spec_padding(padding, self.rank, is_channels_last(data_format, self.rank)),
            dilation=dilation,
            groups=groups,
            bias=bias_attr is not False,
            rank=self.rank,
            head_init=head_init,
        )
        super().__init__(spec, padding_mode, weight_attr, bias_attr, data_format)

    def _build(self, weight_attr: Attr, bias_attr: Attr) -> None:
        spec = self.spec
        self.weight = self.create_parameter(
            list(spec.kernel_shape),  # (out, in // groups, *kernel)
            attr=weight_attr,
            default_initializer=kaiming_normal(spec),
        )
        self.bias = self.create_parameter(
            list(spec.bias_shape),  # (out,)
            attr=bias_attr if spec.bias else False,
            is_bias=True,
            default_initializer=Constant(0.0),
        )
        # Plain values, because to_static cannot read a dataclass's properties.
        self._gated, self._taps = spec.gated, list(spec.kernel)
        self._inputs, self._outputs = [spec.sixteens, spec.mixed], spec.out_channels
        if spec.gated:
            self._build_gate()

    def _build_gate(self) -> None:
        spec = self.spec
        self.ce = _linear(spec.encoder())
        self.ce_bn = build_norm(NormSpec(spec.in_channels), 1)
        self.ci_bn2 = build_norm(NormSpec(spec.in_channels), 1)
        self.ci = _linear(spec.interaction())
        self.ci_bn = build_norm(NormSpec(spec.out_channels), 1)
        self.gd = _linear(spec.decoder(), spec.head_init)
        self.gd2 = _linear(spec.decoder(), spec.head_init)

    def attentions(self, x: paddle.Tensor) -> dict[str, paddle.Tensor]:
        """The gate, (batch, out, in, *kernel); nothing where the kernel has one tap."""
        return {"gate": self._gate(self._channels_first(x))} if self._gated else {}

    def fold(self, scale: paddle.Tensor, shift: paddle.Tensor) -> None:
        dtype = self.weight.dtype
        rows = scale.reshape([-1, *[1] * (self.weight.ndim - 1)])  # (out, 1, *ones)
        if self.bias is None:
            bias = shift
            self.bias = self.create_parameter(list(self.spec.bias_shape), dtype=dtype, is_bias=True)
        else:
            bias = self.bias.astype(scale.dtype) * scale + shift
        self.weight.set_value((self.weight.astype(scale.dtype) * rows).astype(dtype))
        self.bias.set_value(bias.astype(dtype))

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = self._channels_first(x)
        kernels = self.weight.unsqueeze(0)
        if self._gated:
            kernels = kernels * self._gate(x).astype(kernels.dtype)
        stride, padding, dilation, groups = self._geometry
        y = conv_per_sample(x, kernels, None, stride, padding, dilation, groups)
        if self.bias is not None:
            y = y + self.bias.astype(y.dtype).reshape([-1, *[1] * self.rank])
        return self._as_given(y)

    def _gate(self, x: paddle.Tensor) -> paddle.Tensor:
        """(batch, in, *map) to (batch, out, in, *kernel)."""
        # In the new shapes 0 keeps the batch; of an empty one no size can be inferred or kept.
        means = adaptive_mean(x, self._taps).reshape([0, self.in_channels, prod(self._taps)])
        encoded = self.ce(means)  # (batch, in, latent)
        of_input = self.gd(_active(self.ce_bn, encoded))  # (batch, in, taps)
        groups = _active(self.ci_bn2, encoded).reshape([0, *self._inputs, self.spec.latent])
        # Of (batch, sixteens, mixed, latent) the third axis is mixed.
        mixed = self.ci(groups.transpose([0, 1, 3, 2])).transpose([0, 1, 3, 2])
        mixed = mixed.reshape([0, self._outputs, self.spec.latent])  # (batch, out, latent)
        of_output = self.gd2(_active(self.ci_bn, mixed))  # (batch, out, taps)
        sums = of_input.unsqueeze(1) + of_output.unsqueeze(2)  # (batch, out, in, taps)
        return gate(sums).reshape([0, *sums.shape[1:3], *self._taps])

    def _take_function(self, conv: nn.Layer) -> None:
        """All gates are a half, so that the kernel is twice that of `conv`."""
        spec = self.spec
        self.weight.set_value(conv.weight / spec.start_gain)
        if self.bias is not None:
            self.bias.set_value(conv.bias)


def _active(norm: nn.Layer, x: paddle.Tensor) -> paddle.Tensor:
    """A ReLU of the normalised x, (batch, channels, latent).

    The norm takes it as (batch * latent, channels): of maps Paddle's kernel would round epsilon to
    float32, and has no second derivative.
    """
    batch, channels, latent = x.shape  # -1 in a static graph
    count = batch * latent if batch >= 0 else -1  # of an empty batch none may be inferred
    rows = norm(x.transpose([0, 2, 1]).reshape([count, channels]))
    return F.relu(rows).reshape([batch, latent, channels]).transpose([0, 2, 1])


def _linear(spec: LinearSpec, head_init: str = "published") -> nn.Linear:
    """A linear layer without bias that starts as PyTorch's, or at zero."""
    start = Constant(0.0) if head_init == "zero" else uniform(spec.in_channels)
    attr = ParamAttr(initializer=start)
    return nn.Linear(spec.in_channels, spec.out_channels, weight_attr=attr, bias_attr=False)


class CGConv1D(_CGConv):
    """`CGConv2D` over one axis: (batch, in, length) to (batch, out, length).

    `data_format` is "NCL" or "NLC".

    Example:
        >>> tuple(CGConv1D(16, 32, 3, padding=1)(paddle.rand([1, 16, 9])).shape)
        (1, 32, 9)
    """

    rank = 1


class CGConv2D(_CGConv):
    """Context-gated convolution, https://arxiv.org/abs/1910.05577.

    Multiplies each value of the kernel by a gate between 0 and 1 that is computed from the sample.
    Each channel's map, averaged to the size of the kernel, is described by a few numbers; these,
    and mixtures of them for the output channels, decide:

        y = conv(x, sigmoid(of_input + of_output) * weight) + bias

    Takes the arguments of `paddle.nn.Conv2D` in their order. A kernel of one tap has no gate, as in
    the published code: the layer is a plain convolution then. A batch of one trains.

    Shapes: (batch, in_channels, height, width) to (batch, out_channels, height, width), the maps
    being those of `paddle.nn.Conv2D`, of any size; channels come last with data_format="NHWC". The
    arrays are those of https://github.com/XudongLinthu/context-gated-convolution, whose bias has no
    effect and whose maps are square.

    Args:
        in_channels: channels of the input, at most 16 or a multiple of 16.
        out_channels: channels of the output, a multiple of `in_channels` / 16.
        kernel_size: taps along height and width.
        stride: step along height and width.
        padding: zeros in any form that `paddle.nn.Conv2D` takes. "SAME" keeps the map's size, at
            any dilation, and needs stride 1; elsewhere give numbers.
        dilation: distance of neighbouring taps.
        groups: 1, unless the kernel has one tap.
        padding_mode: "zeros", the only one.
        weight_attr: `paddle.ParamAttr` of the kernel.
        bias_attr: False leaves out the bias; or its `paddle.ParamAttr`.
        data_format: "NCHW", the default, or "NHWC", which is transposed on the way in and out.
        head_init: "published" starts the linear layers as those of PyTorch, with gates around a
            half; "zero" with all gates at a half.

    Raises:
        ValueError: an option is out of range, or an input has other axes or channels.

    Example:
        >>> tuple(CGConv2D(16, 32, 3, padding=1)(paddle.rand([1, 16, 8, 9])).shape)
        (1, 32, 8, 9)
    """

    rank = 2


class CGConv3D(_CGConv):
    """`CGConv2D` over three axes: (batch, in, depth, height, width).

    `data_format` is "NCDHW" or "NDHWC".

    Example:
        >>> tuple(CGConv3D(16, 32, 3, padding=1)(paddle.rand([1, 16, 7, 8, 9])).shape)
        (1, 32, 7, 8, 9)
    """

    rank = 3
