"""What the layers share that scale a map by factors which they compute from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import sqrt
from typing import Any, ClassVar, TypeVar

import keras
from keras import ops

from odconv_keras.layers.data_format import (
    data_format_or_default,
    from_channels_last,
    shape_to_channels_last,
    to_channels_last,
)
from odconv_keras.layers.linear import Linear
from odconv_keras.layers.precision import at_least_single, unquantised
from odconv_spec import LinearSpec, RecalibrationSpec

Shape = Sequence[int | None]
Made = TypeVar("Made", bound="Recalibration")


class Recalibration(keras.layers.Layer):
    """A layer that multiplies a map by factors between 0 and 1, and keeps its shape.

    Its convolutions and linear layers are plain ones, with the arrays of the published code;
    `replace_convs` leaves them alone.

    Example:
        >>> isinstance(SqueezeExcitation(), Recalibration)
        True
    """

    spec_class: ClassVar[type[RecalibrationSpec]]

    def __init__(
        self, spec: RecalibrationSpec, *, data_format: str | None = None, **kwargs: Any
    ) -> None:
        """Holds the options of `spec` as attributes; a subclass makes the spec of its arguments."""
        super().__init__(**kwargs)
        unquantised(self)
        self.data_format = data_format_or_default(data_format)
        for name in self.option_names():
            setattr(self, name, getattr(spec, name))
        self._spec_before_build = spec  # `build` knows the channels
        self.input_spec = keras.InputSpec(min_ndim=3, max_ndim=5)

    @classmethod
    def from_spec(
        cls: type[Made], spec: RecalibrationSpec, *, data_format: str | None = None, **kwargs: Any
    ) -> Made:
        """The layer that `spec` describes, not built yet.

        Args:
            spec: all options of the layer.
            data_format: "channels_last" or "channels_first"; None is the setting of Keras.
            **kwargs: `name`, `dtype` and `trainable`.

        Returns:
            A layer of this class.

        Raises:
            ValueError: `spec` describes a layer of another class.

        Example:
            >>> spec = SqueezeExcitationSpec(channels=64)
            >>> tuple(SqueezeExcitation.from_spec(spec)(keras.ops.ones((2, 8, 9, 64))).shape)
            (2, 8, 9, 64)
        """
        if type(spec) is not cls.spec_class:
            raise ValueError(
                f"{cls.__name__}.from_spec: expected a {cls.spec_class.__name__}, received {spec!r}"
            )
        layer: Made = cls.__new__(cls)
        Recalibration.__init__(layer, spec, data_format=data_format, **kwargs)
        return layer

    @classmethod
    def option_names(cls) -> tuple[str, ...]:
        """The options beside those of every Keras layer.

        Returns:
            Names of constructor arguments.
        """
        return tuple(field.name for field in cls.spec_class.own_options())

    def build(self, input_shape: Shape) -> None:
        """Makes the arrays for the channels of the input.

        Args:
            input_shape: of the map, the batch included; None where a size is not known.

        Raises:
            ValueError: the number of channels is not known.
        """
        channels = shape_to_channels_last(input_shape, self.data_format)[-1]
        if channels is None:
            raise ValueError(f"expected a known number of channels, received shape {input_shape}")
        self.spec: Any = replace(self._spec_before_build, channels=channels)
        axis = -1 if self.data_format == "channels_last" else 1
        self.input_spec = keras.InputSpec(ndim=len(input_shape), axes={axis: channels})
        self._build_gates()

    def gates(self, inputs: Any) -> dict[str, Any]:
        """The factors of a map.

        Returns:
            "channel", (batch, *ones, channels), and of a CBAM "spatial", (batch, *map, 1).
        """
        x = to_channels_last(ops.convert_to_tensor(inputs), self.data_format)
        return {"channel": self._channel_gate(x)}

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        x = to_channels_last(inputs, self.data_format)
        return from_channels_last(scaled(x, self._channel_gate(x)), self.data_format)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        names = (*self.option_names(), "data_format")
        return super().get_config() | {name: getattr(self, name) for name in names}

    def _build_gates(self) -> None:
        """Makes the layers inside, built."""
        raise NotImplementedError

    def _channel_gate(self, x: Any) -> Any:
        """(batch, *ones, channels), of a map with channels last."""
        raise NotImplementedError


def uniform() -> keras.initializers.Initializer:
    """The start of PyTorch's linear layers and convolutions, which the published code has."""
    return keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")


def gate_layers(
    squeeze: LinearSpec, excite: LinearSpec, policy: Any, zero_bias: bool = False
) -> tuple[keras.layers.Layer, ...]:
    """Two linear layers, which start as PyTorch's do, with a ReLU between."""
    first, second = (_linear(spec, policy, zero_bias) for spec in (squeeze, excite))
    return first, keras.layers.ReLU(dtype=policy), second


def _linear(spec: LinearSpec, policy: Any, zero_bias: bool) -> Linear:
    bound = 1 / sqrt(spec.in_channels)
    bias = "zeros" if zero_bias else keras.initializers.RandomUniform(-bound, bound)
    return Linear(
        spec.out_channels,
        use_bias=spec.bias,
        kernel_initializer=uniform(),
        bias_initializer=bias,
        dtype=policy,
    )


def gate(logits: Any) -> Any:
    return ops.sigmoid(at_least_single(logits))


def beside(x: Any, factors: Any) -> Any:
    """Factors (batch, channels) as they multiply the map: (batch, *ones, channels)."""
    return ops.expand_dims(factors, tuple(range(1, len(x.shape) - 1)))


def scaled(x: Any, factors: Any) -> Any:
    """The product, in the precision of the map."""
    return x * ops.cast(factors, x.dtype)
