"""Frequency dynamic convolution for two spatial axes."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from odconv_keras.layers.attributes import Padding, Size
from odconv_keras.layers.conv import conv_per_sample
from odconv_keras.layers.dynamic import DynamicConv, Shape
from odconv_keras.layers.fd_attention import GlobalModulation, LocalModulation
from odconv_keras.layers.frequency_bands import FrequencyBands
from odconv_keras.layers.init import kaiming_normal
from odconv_keras.layers.pooling import global_mean
from odconv_keras.layers.precision import at_least_single
from odconv_keras.layers.spectrum import FrequencyOrder, SpectrumOf, spectrum_of
from odconv_spec import FDConvSpec
from odconv_spec.geometry import per_axis, whole


@keras.saving.register_keras_serializable(package="odconv")
class FDConv2D(DynamicConv):
    """Frequency dynamic convolution, https://arxiv.org/abs/2503.18783.

    Stores the spectrum of one kernel, cuts its frequencies into `kernel_num` groups, and weighs
    them for each sample; attentions scale the input channels, output channels and taps of what
    comes back, and each of its elements. A layer of 3x3 taps scales the frequency bands of the map
    at each position before:

        W = irfft2(sum_g kernel_g * dft_weight_g)
        y = conv(bands(x), channel * filter * spatial * local * W) + bias

    Takes the arguments of `keras.layers.Conv2D` in their order. The arrays are those of
    https://github.com/Linwei-Chen/FDConv, and `frequency_order.indices`, which frequencies each
    group has: there the order is made anew by each process, and depends on its PyTorch.

    Shapes: (batch, height, width, in) to (batch, height, width, filters), or with
    `data_format="channels_first"` (batch, in, height, width) to (batch, filters, height, width),
    the maps being those of `keras.layers.Conv2D`. Batch, height and width may be unknown. The
    input has an even number of channels.

    Args:
        filters: channels of the output, two at least.
        kernel_size: taps along height and width, 1 or 3.
        strides: step along height and width.
        padding: "valid", "same" (TensorFlow's rule, which with a stride pads more after the map),
            a number of zeros on both sides of each axis, or (before, after) pairs.
        data_format: "channels_last" or "channels_first"; None is the setting of Keras.
        dilation_rate: distance of neighbouring taps.
        groups: 1.
        activation: applied to the output.
        use_bias: adds a learnt offset.
        kernel_initializer: of the kernel whose spectrum the layer starts with; None is Kaiming
            normal over the fan-out.
        bias_initializer: of the bias.
        kernel_regularizer: of the spectra, (param_ratio, rows, columns, 2).
        bias_regularizer: of the bias.
        activity_regularizer: of the output.
        kernel_constraint: of the spectra.
        bias_constraint: of the bias.
        kernel_num: number of groups; divides the number of frequencies.
        reduction: hidden width of the attention over the channels of the input; it is 16 at least.
        param_ratio: number of spectra. The published start makes as many times the kernel of one.
        temperature: divides the logits of the attentions but the local one. It does not change.
        head_init: "published" starts all heads near zero but that of the output channels; "zero"
            all, so as a plain convolution.
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: an option is out of range, the input has another rank or width than the layer
            was built for or can have, or the kernel does not fit into the map.

    Example:
        >>> tuple(FDConv2D(32, 3, padding="same")(keras.ops.ones((1, 8, 9, 16))).shape)
        (1, 8, 9, 32)
    """

    rank = 2
    spec_class = FDConvSpec
    dft_weight: Any
    bias: Any
    FBM: Any

    def __init__(
        self,
        filters: int,
        kernel_size: Size,
        strides: Size = 1,
        padding: Padding = "valid",
        data_format: str | None = None,
        dilation_rate: Size = 1,
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = None,
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        *,
        kernel_num: int = 4,
        reduction: float = 0.0625,
        param_ratio: int = 1,
        temperature: float = 1.0,
        head_init: str = "published",
        **kwargs: Any,
    ) -> None:
        spec = self.spec_of(
            filters=filters,
            kernel_size=kernel_size,
            strides=strides,
            padding=padding,
            dilation_rate=dilation_rate,
            groups=groups,
            use_bias=use_bias,
            kernel_num=kernel_num,
            reduction=reduction,
            param_ratio=param_ratio,
            temperature=temperature,
            head_init=head_init,
        )
        super().__init__(
            spec,
            padding=padding,
            data_format=data_format,
            activation=activation,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
            **kwargs,
        )

    @classmethod
    def least_channels(cls, groups: int, **options: Any) -> int:
        """The fewest whose frequencies fall into as many groups; if none do, the error says so."""
        taps = per_axis("kernel_size", options["kernel_size"], cls.rank, 1)[0]
        count = whole("kernel_num", options["kernel_num"], 2)
        rows = options["filters"] * taps
        fitting = (i for i in range(2, 2 * count + 1, 2) if rows * (i * taps // 2 + 1) % count == 0)
        return next(fitting, 2)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        if inputs.shape[0] == 0:  # of which there is no transform
            one = ops.zeros((1, *inputs.shape[1:]), inputs.dtype)
            return self.call(ops.concatenate([inputs, one]), training)[:0]
        x = self._channels_last(inputs)
        pooled = global_mean(x, keepdims=True)  # (batch, 1, 1, in)
        channel, filters, spatial, weights = self.KSM_Global(pooled, training=training)
        kernels = self._kernels(weights, self.KSM_Local(pooled))
        if spatial is not None:
            kernels = kernels * ops.cast(spatial, kernels.dtype)
        if self.FBM is not None:
            x = self.FBM(x)
        x = x * ops.cast(channel, x.dtype)
        y = conv_per_sample(x, ops.cast(kernels, x.dtype), self.window)
        y = y * ops.cast(filters, y.dtype)
        return self._finished(y if self.bias is None else y + self.bias)

    def attentions(self, inputs: Any) -> dict[str, Any]:
        pooled = global_mean(self._channels_last(ops.convert_to_tensor(inputs)), keepdims=True)
        named = self.KSM_Global(pooled)._asdict()
        found = {name: value for name, value in named.items() if value is not None}
        return {**found, "local_logits": self.KSM_Local(pooled)}

    def _kernels(self, weights: Any, local: Any) -> Any:
        """The kernel of each sample, (batch, *kernel, in, out).

        `weights` are those of the groups of frequencies, `local` the logits of each element.
        """
        spec = self.spec
        (height, width), out = spec.kernel, spec.out_channels
        gates = ops.sigmoid(at_least_single(local))
        gates = ops.reshape(gates, (-1, spec.in_channels, out, height, width))
        spectra = at_least_single(ops.convert_to_tensor(self.dft_weight))
        # The gates are twice their sigmoid.
        weights = ops.cast(weights, spectra.dtype) * (2 * spec.gain)
        planes = self.frequency_order(spectra, weights)
        kernels = ops.reshape(planes, (-1, out, height, spec.in_channels, width))
        kernels = ops.transpose(kernels, (0, 2, 4, 3, 1))
        return kernels * ops.cast(ops.transpose(gates, (0, 3, 4, 1, 2)), kernels.dtype)

    def _build_arrays(self, shape: Shape) -> None:
        spec, policy = self.spec, self.dtype_policy
        self.dft_weight = self.add_weight(
            name="dft_weight",
            shape=(spec.param_ratio, *spec.order().spectrum, 2),
            initializer=SpectrumOf(self.kernel_initializer or kaiming_normal(), spec),
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.bias = self._add_bias() if self.use_bias else None
        with keras.RematScope(mode=None):  # the scope is for the layer as a whole
            pooled = (None, 1, 1, spec.in_channels)
            self.frequency_order = FrequencyOrder(
                spec.order(), name="frequency_order", dtype=policy
            )
            self.frequency_order.build()
            self.KSM_Global = GlobalModulation(spec, name="KSM_Global", dtype=policy)
            self.KSM_Global.build(pooled)
            self.KSM_Local = LocalModulation(spec, name="KSM_Local", dtype=policy)
            self.KSM_Local.build(pooled)
            self.FBM = None
            if spec.has_bands:
                self.FBM = FrequencyBands(spec, name="FBM", dtype=policy)
                self.FBM.build(shape)

    def _take_function(self, conv: Any) -> None:
        kernel = at_least_single(ops.convert_to_tensor(conv.kernel))
        spectrum = spectrum_of(kernel, self.spec) / self.spec.param_ratio
        self.dft_weight.assign(ops.broadcast_to(spectrum, self.dft_weight.shape))
        if self.bias is not None:
            self.bias.assign(conv.bias)
