"""ODConv layers for one, two and three spatial axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import keras

from odconv_keras.layers.attention import ODConvAttention
from odconv_keras.layers.data_format import (
    data_format_or_default,
    from_channels_last,
    shape_from_channels_last,
    shape_to_channels_last,
    to_channels_last,
)
from odconv_keras.layers.functional import od_conv
from odconv_keras.layers.init import PerExpert, kaiming_normal
from odconv_keras.layers.padding import Window
from odconv_keras.layers.temperature import set_temperature
from odconv_spec import ODConvSpec
from odconv_spec.geometry import divisible, padding_pairs, per_axis, whole

Size = int | Sequence[int]
Shape = tuple[int | None, ...]


class _ODConv(keras.layers.Layer):
    rank: ClassVar[int]

    def __init__(
        self,
        filters: int,
        kernel_size: Size,
        strides: Size = 1,
        padding: Size | Sequence[tuple[int, int]] | str = "valid",
        data_format: str | None = None,
        dilation_rate: Size = 1,
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = False,
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
        min_channels: int = 16,
        head_init: str = "zero",
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.filters = whole("filters", filters, 1)
        self.kernel_size = per_axis("kernel_size", kernel_size, self.rank, 1)
        self.strides = per_axis("strides", strides, self.rank, 1)
        self.padding = _plain_padding(padding, self.rank)
        self.data_format = data_format_or_default(data_format)
        self.dilation_rate = per_axis("dilation_rate", dilation_rate, self.rank, 1)
        self.groups = whole("groups", groups, 1)
        divisible(self.groups, filters=self.filters)
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)
        self.kernel_num = kernel_num
        self.reduction = reduction
        self.min_channels = min_channels
        self.head_init = head_init
        self._spec(in_channels=self.groups)  # raises early; the width is known in `build`
        self.input_spec = keras.InputSpec(ndim=self.rank + 2)

    def build(self, input_shape: Shape) -> None:
        shape = shape_to_channels_last(input_shape, self.data_format)
        if shape[-1] is None:
            raise ValueError(f"expected a known number of channels, received shape {input_shape}")
        self.spec = spec = self._spec(in_channels=shape[-1])
        self._window().output_shape(shape, self.filters)  # raises if the kernel does not fit
        axis = -1 if self.data_format == "channels_last" else 1
        self.input_spec = keras.InputSpec(ndim=self.rank + 2, axes={axis: spec.in_channels})
        out, inputs, *taps = spec.kernel_shape
        self.kernel = self.add_weight(
            name="kernel",
            shape=(spec.kernel_num, *taps, inputs, out),
            initializer=PerExpert(self.kernel_initializer or kaiming_normal()),
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.bias = self._add_bias() if self.use_bias else None
        # Not in half precision: its norm would amplify the rounding of the few means it sees.
        self.attention = ODConvAttention(spec, name="attention", dtype=self.variable_dtype)
        self.attention.build(shape)

    def set_temperature(self, temperature: float) -> None:
        """Sets the divisor of the attention logits.

        Raises:
            ValueError: it is not positive, or the layer is not built.
        """
        set_temperature(self, temperature)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        x = to_channels_last(inputs, self.data_format)
        y = od_conv(
            x,
            self.kernel,
            self.attention(x, training=training),
            self.bias,
            self.strides,
            self.padding,
            self.dilation_rate,
        )
        y = from_channels_last(y, self.data_format)
        return y if self.activation is None else self.activation(y)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        shape = shape_to_channels_last(input_shape, self.data_format)
        shape = self._window().output_shape(shape, self.filters)
        return shape_from_channels_last(shape, self.data_format)

    def get_config(self) -> dict[str, Any]:
        plain = (
            "filters kernel_size strides padding data_format dilation_rate groups use_bias "
            "kernel_num reduction min_channels head_init"
        )
        config = super().get_config() | {name: getattr(self, name) for name in plain.split()}
        config["activation"] = keras.activations.serialize(self.activation)
        for use in ("kernel_initializer", "bias_initializer"):
            config[use] = keras.initializers.serialize(getattr(self, use))
        for use in ("kernel_regularizer", "bias_regularizer", "activity_regularizer"):
            config[use] = keras.regularizers.serialize(getattr(self, use))
        for use in ("kernel_constraint", "bias_constraint"):
            config[use] = keras.constraints.serialize(getattr(self, use))
        return config

    def _spec(self, in_channels: int) -> ODConvSpec:
        return ODConvSpec(
            in_channels=in_channels,
            out_channels=self.filters,
            kernel_size=self.kernel_size,
            stride=self.strides,
            padding=self.padding,
            dilation=self.dilation_rate,
            groups=self.groups,
            bias=self.use_bias,
            rank=self.rank,
            kernel_num=self.kernel_num,
            reduction=self.reduction,
            min_channels=self.min_channels,
            head_init=self.head_init,
        )

    def _window(self) -> Window:
        return Window.of(self.kernel_size, self.strides, self.padding, self.dilation_rate)

    def _add_bias(self) -> keras.Variable:
        return self.add_weight(
            name="bias",
            shape=(self.filters,),
            initializer=self.bias_initializer,
            regularizer=self.bias_regularizer,
            constraint=self.bias_constraint,
        )


def _plain_padding(padding: Any, rank: int) -> Any:
    """A word as Keras writes it, or (before, after) pairs."""
    return padding.lower() if isinstance(padding, str) else padding_pairs(padding, rank)


@keras.saving.register_keras_serializable(package="odconv")
class ODConv1D(_ODConv):
    """`ODConv2D` over one axis: (batch, steps, in) to (batch, steps, filters)."""

    rank = 1


@keras.saving.register_keras_serializable(package="odconv")
class ODConv2D(_ODConv):
    """Omni-dimensional dynamic convolution, https://openreview.net/forum?id=DmpCfq6Mg39.

    Mixes `kernel_num` kernels for each sample and scales their taps, input channels and output
    channels, all by attentions computed from the sample itself. Takes the arguments of
    `keras.layers.Conv2D` in their order; the published layer has no bias, so `use_bias` is off by
    default. Strides beside dilations work on every backend, and so do groups.

    Shapes: (batch, height, width, in) to (batch, height, width, filters), or with
    `data_format="channels_first"` (batch, in, height, width) to (batch, filters, height, width),
    the maps being those of `keras.layers.Conv2D`. Batch, height and width may be unknown.

    Args:
        filters: channels of the output.
        kernel_size: taps along height and width.
        strides: step along height and width.
        padding: "valid", "same" (TensorFlow's rule, which with a stride pads more after the map),
            a number of zeros on both sides of each axis, or (before, after) pairs.
        data_format: "channels_last" or "channels_first"; None is the setting of Keras.
        dilation_rate: distance of neighbouring taps.
        groups: number of groups of channels; divides both widths.
        activation: applied to the output.
        use_bias: adds a learnt offset after the filter attention.
        kernel_initializer: of each of the kernels; None is Kaiming normal over the fan-out.
        bias_initializer: of the bias.
        kernel_regularizer: of the bank of kernels, (kernel_num, height, width, in // groups, out).
        bias_regularizer: of the bias.
        activity_regularizer: of the output.
        kernel_constraint: of the bank of kernels.
        bias_constraint: of the bias.
        kernel_num: number of kernels that are mixed.
        reduction: hidden width of the attention over the channels of the input.
        min_channels: the least hidden width.
        head_init: "zero" starts as a plain convolution, which is what trains on small data;
            "published" is the Kaiming normal start of the official code.
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: an option is out of range, or the kernel does not fit into the map.

    Example:
        >>> ODConv2D(32, 3, padding="same")(keras.ops.ones((1, 8, 9, 16))).shape
        (1, 8, 9, 32)
    """

    rank = 2


@keras.saving.register_keras_serializable(package="odconv")
class ODConv3D(_ODConv):
    """`ODConv2D` over three axes: (batch, depth, height, width, in)."""

    rank = 3
