"""CGConv layers for one, two and three spatial axes."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from odconv_keras.layers.attributes import Padding, Size
from odconv_keras.layers.build_static import build_norm
from odconv_keras.layers.conv import conv, conv_per_sample
from odconv_keras.layers.dynamic import DynamicConv, Shape
from odconv_keras.layers.init import kaiming_normal
from odconv_keras.layers.linear import Linear
from odconv_keras.layers.pooling import adaptive_mean
from odconv_keras.layers.precision import at_least_single
from odconv_keras.layers.recalibration import gate, uniform
from odconv_spec import CGConvSpec, LinearSpec, NormSpec


class _CGConv(DynamicConv):
    spec_class = CGConvSpec
    kernel: Any
    bias: Any

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

    def attentions(self, inputs: Any) -> dict[str, Any]:
        """The gate, (batch, out, in, *kernel); nothing where the kernel has one tap."""
        if not self.spec.gated:
            return {}
        gates = self._gate(self._channels_last(ops.convert_to_tensor(inputs)), training=False)
        last = len(gates.shape) - 1
        return {"gate": ops.transpose(gates, (0, last, last - 1, *range(1, last - 1)))}

    def fold(self, conv: Any, scale: Any, shift: Any) -> None:
        self.kernel.assign(at_least_single(ops.convert_to_tensor(conv.kernel)) * scale)
        if conv.bias is not None:
            shift = at_least_single(ops.convert_to_tensor(conv.bias)) * scale + shift
        self.bias.assign(shift)
        own = 1 if conv.bias is None else 2
        for weight, source in zip(self.weights[2:], conv.weights[own:], strict=True):
            weight.assign(source)  # those of the gate

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        x = self._channels_last(inputs)
        if self.spec.gated:
            gates = ops.cast(self._gate(x, training), x.dtype)
            y = conv_per_sample(x, gates * ops.cast(self.kernel, x.dtype), self.window)
        else:
            y = conv(x, self.kernel, self.window)
        return self._finished(y if self.bias is None else y + self.bias)

    def _build_arrays(self, shape: Shape) -> None:
        out, inputs, *taps = self.spec.kernel_shape
        self.kernel = self.add_weight(
            name="kernel",
            shape=(*taps, inputs, out),
            initializer=self.kernel_initializer or kaiming_normal(),
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.bias = self._add_bias() if self.use_bias else None
        if self.spec.gated:
            with keras.RematScope(mode=None):  # the scope is for the layer as a whole
                self._build_gate()

    def _build_gate(self) -> None:
        """The layers of the gate, whose inputs have channels before their numbers."""
        spec = self.spec
        # Not in half precision: the norms would amplify the rounding of the few means they see.
        options = {"dtype": self.variable_dtype}
        of_input, of_output = NormSpec(spec.in_channels), NormSpec(spec.out_channels)
        self.ce = _linear(spec.encoder(), name="ce", **options)
        self.ce_bn = build_norm(of_input, axis=1, name="ce_bn", **options)
        self.ci_bn2 = build_norm(of_input, axis=1, name="ci_bn2", **options)
        self.ci = _linear(spec.interaction(), name="ci", **options)
        self.ci_bn = build_norm(of_output, axis=1, name="ci_bn", **options)
        self.gd = _linear(spec.decoder(), self.head_init, name="gd", **options)
        self.gd2 = _linear(spec.decoder(), self.head_init, name="gd2", **options)
        for layer, channels, last in (
            (self.ce, spec.in_channels, spec.taps),
            (self.ce_bn, spec.in_channels, spec.latent),
            (self.ci_bn2, spec.in_channels, spec.latent),
            (self.ci, spec.latent, spec.mixed),
            (self.ci_bn, spec.out_channels, spec.latent),
            (self.gd, spec.in_channels, spec.latent),
            (self.gd2, spec.out_channels, spec.latent),
        ):
            layer.build((None, channels, last))

    def _gate(self, x: Any, training: bool | None) -> Any:
        """(batch, *map, in) to (batch, *kernel, in, out)."""
        spec = self.spec
        pooled = ops.cast(adaptive_mean(x, spec.kernel), self.variable_dtype)
        # (batch, in, taps)
        pooled = ops.transpose(ops.reshape(pooled, (-1, spec.taps, spec.in_channels)), (0, 2, 1))
        encoded = self.ce(pooled)  # (batch, in, latent)
        of_input = self.gd(ops.relu(self.ce_bn(encoded, training=training)))  # (batch, in, taps)
        groups = ops.relu(self.ci_bn2(encoded, training=training))
        groups = ops.reshape(groups, (-1, spec.sixteens, spec.mixed, spec.latent))
        mixed = self.ci(ops.transpose(groups, (0, 1, 3, 2)))  # (batch, sixteens, latent, mixtures)
        mixed = ops.transpose(mixed, (0, 1, 3, 2))
        mixed = ops.reshape(mixed, (-1, spec.out_channels, spec.latent))
        of_output = self.gd2(ops.relu(self.ci_bn(mixed, training=training)))  # (batch, out, taps)
        of_input = ops.expand_dims(ops.transpose(of_input, (0, 2, 1)), 3)
        of_output = ops.expand_dims(ops.transpose(of_output, (0, 2, 1)), 2)
        # (batch, taps, in, out)
        return ops.reshape(
            gate(of_input + of_output), (-1, *spec.kernel, spec.in_channels, spec.out_channels)
        )

    def _take_function(self, conv: Any) -> None:
        """All gates are a half, so that the kernel is twice that of `conv`."""
        kernel = at_least_single(ops.convert_to_tensor(conv.kernel))
        # A depthwise kernel is (*kernel, in, multiplier).
        self.kernel.assign(ops.reshape(kernel, self.kernel.shape) / self.spec.start_gain)
        if self.bias is not None:
            self.bias.assign(conv.bias)


def _linear(spec: LinearSpec, head_init: str = "published", **options: Any) -> Linear:
    """A linear layer without bias that starts as PyTorch's, or at zero."""
    start = "zeros" if head_init == "zero" else uniform()
    return Linear(spec.out_channels, use_bias=False, kernel_initializer=start, **options)


@keras.saving.register_keras_serializable(package="odconv")
class CGConv1D(_CGConv):
    """`CGConv2D` over one axis: (batch, steps, in) to (batch, steps, filters).

    Example:
        >>> tuple(CGConv1D(32, 3, padding="same")(keras.ops.ones((1, 9, 16))).shape)
        (1, 9, 32)
    """

    rank = 1


@keras.saving.register_keras_serializable(package="odconv")
class CGConv2D(_CGConv):
    """Context-gated convolution, https://arxiv.org/abs/1910.05577.

    Multiplies each value of the kernel by a gate between 0 and 1 that is computed from the sample.
    Each channel's map, averaged to the size of the kernel, is described by a few numbers; these,
    and mixtures of them for the output channels, decide:

        y = conv(x, sigmoid(of_input + of_output) * kernel) + bias

    Takes the arguments of `keras.layers.Conv2D` in their order. A kernel of one tap has no gate, as
    in the published code: the layer is a plain convolution then. A batch of one trains.

    Shapes: (batch, height, width, in) to (batch, height, width, filters), or with
    `data_format="channels_first"` (batch, in, height, width) to (batch, filters, height, width),
    the maps being those of `keras.layers.Conv2D`. Batch, height and width may be unknown. The input
    has at most 16 channels or a multiple of 16. The arrays are those of
    https://github.com/XudongLinthu/context-gated-convolution, whose bias has no effect and whose
    maps are square.

    Args:
        filters: channels of the output, a multiple of the input's / 16.
        kernel_size: taps along height and width.
        strides: step along height and width.
        padding: "valid", "same" (TensorFlow's rule, which with a stride pads more after the map),
            a number of zeros on both sides of each axis, or (before, after) pairs.
        data_format: "channels_last" or "channels_first"; None is the setting of Keras.
        dilation_rate: distance of neighbouring taps.
        groups: 1, unless the kernel has one tap.
        activation: applied to the output.
        use_bias: adds a learnt offset.
        kernel_initializer: of the kernel; None is Kaiming normal over the fan-out.
        bias_initializer: of the bias, (filters,).
        kernel_regularizer: of the kernel, (height, width, in, filters).
        bias_regularizer: of the bias.
        activity_regularizer: of the output.
        kernel_constraint: of the kernel.
        bias_constraint: of the bias.
        head_init: "published" starts the linear layers as those of PyTorch, with gates around a
            half; "zero" with all gates at a half.
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: an option is out of range, the input has another rank or width than the layer
            was built for, or the kernel does not fit into the map.

    Example:
        >>> tuple(CGConv2D(32, 3, padding="same")(keras.ops.ones((1, 8, 9, 16))).shape)
        (1, 8, 9, 32)
    """

    rank = 2


@keras.saving.register_keras_serializable(package="odconv")
class CGConv3D(_CGConv):
    """`CGConv2D` over three axes: (batch, depth, height, width, in).

    Example:
        >>> tuple(CGConv3D(32, 3, padding="same")(keras.ops.ones((1, 7, 8, 9, 16))).shape)
        (1, 7, 8, 9, 32)
    """

    rank = 3
