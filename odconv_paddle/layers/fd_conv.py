"""Frequency dynamic convolution for two spatial axes."""

from __future__ import annotations

from typing import Any

import paddle
from paddle import ParamAttr, nn
from paddle.nn import functional as F
from paddle.nn.initializer import Constant, Initializer

from odconv_paddle.layers.data_format import is_channels_last
from odconv_paddle.layers.dynamic import Attr, DynamicConv, Padding, Size
from odconv_paddle.layers.fd_attention import GlobalModulation, LocalModulation
from odconv_paddle.layers.frequency_bands import FrequencyBands
from odconv_paddle.layers.init import kaiming_normal, refuse_lazy
from odconv_paddle.layers.padding import as_spec_padding
from odconv_paddle.layers.per_sample import conv_per_sample, sizes_after
from odconv_paddle.layers.pooling import global_mean
from odconv_paddle.layers.scaled import scaled, times
from odconv_paddle.layers.spectrum import FrequencyOrder, spectrum_of
from odconv_paddle.layers.temperature import at_least_float32
from odconv_spec import FDConvSpec


@paddle.jit.marker.unified  # to_static records the calls and leaves the source alone
class FDConv2D(DynamicConv):
    """Frequency dynamic convolution, https://arxiv.org/abs/2503.18783.

    Stores the spectrum of one kernel, cuts its frequencies into `kernel_num` groups, and weighs
    them for each sample; attentions scale the input channels, output channels and taps of what
    comes back, and each of its elements. A layer of 3x3 taps scales the frequency bands of the map
    at each position before:

        W = irfft2(sum_g kernel_g * dft_weight_g)
        y = conv(bands(x), channel * filter * spatial * local * W) + bias

    Takes the arguments of `paddle.nn.Conv2D` in their order. The arrays are those of
    https://github.com/Linwei-Chen/FDConv, and `frequency_order.indices`, which frequencies each
    group has: there the order is made anew by each process, and depends on its PyTorch.

    Shapes: (batch, in_channels, height, width) to (batch, out_channels, height, width), the maps
    being those of `paddle.nn.Conv2D`; channels come last with data_format="NHWC".

    Args:
        in_channels: channels of the input, an even number.
        out_channels: channels of the output, two at least.
        kernel_size: taps along height and width, 1 or 3.
        stride: step along height and width.
        padding: zeros in any form that `paddle.nn.Conv2D` takes. "SAME" keeps the map's size, at
            any dilation, and needs stride 1; elsewhere give numbers.
        dilation: distance of neighbouring taps.
        groups: 1.
        padding_mode: "zeros", the only one.
        weight_attr: `paddle.ParamAttr` of the spectrum; an initializer in it draws the kernel.
        bias_attr: `paddle.ParamAttr` of the bias, or False for none.
        data_format: "NCHW", the default, or "NHWC", which is transposed on the way in and out.
        kernel_num: number of groups; divides the number of frequencies.
        reduction: hidden width of the attention over `in_channels`; it is 16 at least.
        param_ratio: number of spectra. The published start makes as many times the kernel of one.
        temperature: divides the logits of the attentions but the local one. It does not change.
        head_init: "published" starts all heads near zero but that of the output channels; "zero"
            all, so as a plain convolution.

    Raises:
        ValueError: an option is out of range, or an input has other axes or channels.

    Example:
        >>> tuple(FDConv2D(16, 32, 3, padding=1)(paddle.rand([1, 16, 8, 9])).shape)
        (1, 32, 8, 9)
    """

    rank = 2
    spec_class = FDConvSpec
    spec: FDConvSpec
    bias: paddle.Tensor | None
    FBM: FrequencyBands | None

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
        reduction: float = 0.0625,
        param_ratio: int = 1,
        temperature: float = 1.0,
        head_init: str = "published",
    ) -> None:
        spec = FDConvSpec(
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
            param_ratio=param_ratio,
            temperature=temperature,
            head_init=head_init,
        )
        super().__init__(spec, padding_mode, weight_attr, bias_attr, data_format)

    def _build(self, weight_attr: Attr, bias_attr: Attr) -> None:
        spec = self.spec
        # Plain, because to_static cannot read a dataclass.
        self._kernel_shape, self._gain = spec.kernel_shape, spec.gain
        shape = [spec.param_ratio, *spec.order().spectrum, 2]
        self.dft_weight = self.create_parameter(shape, attr=weight_attr)
        given = weight_attr.initializer if isinstance(weight_attr, ParamAttr) else weight_attr
        start = given if isinstance(given, Initializer) else kaiming_normal(spec)
        kernel = self.create_parameter(list(spec.kernel_shape), attr=ParamAttr(initializer=start))
        refuse_lazy(kernel, type(self).__name__)
        with paddle.no_grad():
            self.dft_weight.set_value(self._spectra(kernel))
        self.bias = self.create_parameter(
            list(spec.bias_shape),
            attr=bias_attr if spec.bias else False,
            is_bias=True,
            default_initializer=Constant(0.0),
        )
        self.frequency_order = FrequencyOrder(spec.order())
        self.KSM_Global = GlobalModulation(spec)
        self.KSM_Local = LocalModulation(spec)
        self.FBM = FrequencyBands(spec) if spec.has_bands else None

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        if paddle.in_dynamic_mode() and x.shape[0] == 0:  # of which there is no transform
            return self(paddle.concat([x, paddle.zeros([1, *x.shape[1:]], x.dtype)]))[:0]
        x = self._channels_first(x)
        pooled = global_mean(x)
        # By position, because to_static hands a named tuple over as a plain one.
        channel, filters, spatial, weights = self.KSM_Global(pooled)
        kernels = self._kernels(weights, self.KSM_Local(pooled))
        if spatial is not None:
            kernels = kernels * spatial.astype(kernels.dtype)
        if self.FBM is not None:
            x = self.FBM(x)
        y = _scaled_conv(x, kernels, channel, filters, self._geometry)
        if self.bias is not None:
            y = y + self.bias.astype(y.dtype).reshape([-1, 1, 1])
        return self._as_given(y)

    def attentions(self, x: paddle.Tensor) -> dict[str, paddle.Tensor]:
        pooled = global_mean(self._channels_first(x))
        named = self.KSM_Global(pooled)._asdict()
        found = {name: value for name, value in named.items() if value is not None}
        # (batch, in, out * taps)
        return {**found, "local_logits": self.KSM_Local(pooled).transpose([0, 2, 1])}

    def _kernels(self, weights: paddle.Tensor, local: paddle.Tensor) -> paddle.Tensor:
        """The kernel of each sample, (batch, out, in, *kernel).

        `weights` are those of the groups of frequencies, `local` the logits of each element.
        """
        out, inputs, height, width = self._kernel_shape
        gates = F.sigmoid(at_least_float32(local)).reshape([-1, out, height, width, inputs])
        # The gates are twice their sigmoid.
        spectra = at_least_float32(self.dft_weight)
        planes = self.frequency_order(spectra, weights.astype(spectra.dtype) * (2 * self._gain))
        kernels = planes.reshape([-1, out, height, inputs, width]).transpose([0, 1, 3, 2, 4])
        return kernels * gates.transpose([0, 1, 4, 2, 3])

    def _spectra(self, kernel: paddle.Tensor) -> paddle.Tensor:
        """What makes the layer start as a convolution with the kernel, `param_ratio` times."""
        spectrum = spectrum_of(at_least_float32(kernel), self.spec).unsqueeze(0)
        return spectrum.tile([self.spec.param_ratio, 1, 1, 1]).astype(kernel.dtype)

    def _take_function(self, conv: nn.Layer) -> None:
        spec: Any = self.spec
        self.dft_weight.set_value(self._spectra(conv.weight) / spec.param_ratio)
        if self.bias is not None:
            self.bias.set_value(conv.bias)


@paddle.jit.marker.unified  # to_static records the calls and leaves the source alone
def _scaled_conv(
    x: paddle.Tensor,
    kernels: paddle.Tensor,
    channel: paddle.Tensor,
    filters: paddle.Tensor,
    geometry: tuple[Any, ...],
) -> paddle.Tensor:
    """Each sample convolved with its kernel, whose channels have these factors."""
    stride, padding, dilation, groups = geometry
    sizes = sizes_after(x, kernels.shape[3:], stride, padding, dilation)
    x, kernels, left = scaled(x, kernels, channel, filters, sizes, groups)
    return times(conv_per_sample(x, kernels, None, stride, padding, dilation, groups), left)
