"""What the dynamic convolutions share: how they are made, built and called."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import keras

from odconv_keras.layers.attributes import ConvAttributes
from odconv_keras.layers.data_format import (
    from_channels_last,
    shape_from_channels_last,
    shape_of_any_size,
    shape_to_channels_last,
    to_channels_last,
)
from odconv_keras.layers.from_static import layer_like, static_spec
from odconv_keras.layers.temperature import set_temperature
from odconv_spec import DynamicConvSpec

Shape = tuple[int | None, ...]
Made = TypeVar("Made", bound="DynamicConv")


class DynamicConv(ConvAttributes):
    """A convolution whose kernel or output depends on the sample, or whose kernel on itself.

    A subclass names its spec, makes its arrays in `_build_arrays`, and computes in `call`.

    Example:
        >>> first = create_model("od_resnet18").layer1.in_order()[0]
        >>> isinstance(first.conv1, DynamicConv), isinstance(first.bn1, DynamicConv)
        (True, False)
    """

    @classmethod
    def from_spec(
        cls: type[Made], spec: DynamicConvSpec, *, data_format: str | None = None, **kwargs: Any
    ) -> Made:
        """The layer that `spec` describes, not built yet.

        A spec is checked when it is made, so nothing is checked or made a second time here; the
        `__init__` of the class, which makes a spec of its arguments, is not called.

        Args:
            spec: all options of the layer.
            data_format: "channels_last" or "channels_first"; None is the setting of Keras.
            **kwargs: `name`, `dtype`, `trainable`, `activation`, initializers, regularizers and
                constraints.

        Returns:
            A layer of this class.

        Raises:
            ValueError: `spec` describes a layer of another class, or over other axes.

        Example:
            >>> spec = ODConvSpec(in_channels=16, out_channels=32, kernel_size=3, padding=1)
            >>> tuple(ODConv2D.from_spec(spec)(keras.ops.ones((1, 8, 9, 16))).shape)
            (1, 8, 9, 32)
        """
        if type(spec) is not cls.spec_class or spec.rank != cls.rank:
            raise ValueError(
                f"{cls.__name__}.from_spec: expected a {cls.spec_class.__name__} with "
                f"rank={cls.rank}, received {spec!r}"
            )
        layer: Made = cls.__new__(cls)
        DynamicConv.__init__(layer, spec, data_format=data_format, **kwargs)
        return layer

    @classmethod
    def from_static(cls: type[Made], conv: Any, **options: Any) -> Made:
        """A layer that computes what `conv` computes, until it is trained.

        It has the geometry, the bias, the activation, the regularizers, the name and the dtype of
        `conv`. What depends on the sample starts as a constant, which the arrays undo.

        Args:
            conv: a built `keras.layers.Conv1D`, `Conv2D`, `Conv3D` or depthwise convolution.
            **options: those of this layer that are no geometry, and `name`; `head_init`, where it
                has that, is "zero" here.

        Returns:
            A built layer.

        Raises:
            ValueError: `conv` is no plain convolution over as many axes, has no weights yet, has
                constraints, or widths or groups that the layer cannot have; an option is unknown
                or would not keep the function.
        """
        layer: Made = layer_like(cls, conv, {**cls.spec_class.static_start(), **options})
        width = static_spec(conv).in_channels
        layer.build(shape_of_any_size(width, layer.rank, layer.data_format))
        layer.spec.check_static_start()
        layer._take_function(conv)
        return layer

    def attentions(self, inputs: Any) -> dict[str, Any]:
        """What the layer computes from an input, by the names that the parity tests have.

        Args:
            inputs: as in `call`.

        Returns:
            Name -> tensor whose first axis is the batch.
        """
        raise NotImplementedError

    def fold(self, conv: Any, scale: Any, shift: Any) -> None:
        """Makes the layer compute y * scale + shift where `conv` computes y.

        Args:
            conv: a built layer of the same class, whose spec `spec.fused` made into this layer's.
            scale: (out,).
            shift: (out,).

        Raises:
            ValueError: the kind has no arrays that could take them up.
        """
        raise NotImplementedError

    def folded(self, scale: Any, shift: Any) -> keras.layers.Layer:
        """A new layer, built, that computes y * scale + shift where this one computes y.

        Args:
            scale: (out,).
            shift: (out,).

        Returns:
            The new layer; this one stays what it is.

        Raises:
            ValueError: other channels, or the kind has no arrays that could take them up.
        """
        spec = self.spec.fused(scale.shape[0])
        options = {name: getattr(spec, name) for name in self.option_names()}
        layer = type(self).from_config(self.get_config() | options | {"use_bias": spec.bias})
        layer.build(shape_of_any_size(self.spec.in_channels, self.rank, self.data_format))
        layer.fold(self, scale, shift)
        return layer

    def build(self, input_shape: Shape) -> None:
        """Makes the arrays for the channels of the input.

        Args:
            input_shape: of the map, the batch included; None where a size is not known.

        Raises:
            ValueError: the number of channels is not known, or the kernel does not fit.
        """
        shape = shape_to_channels_last(input_shape, self.data_format)
        if shape[-1] is None:
            raise ValueError(f"expected a known number of channels, received shape {input_shape}")
        self.spec: Any = self._spec_for(shape[-1])
        self.window.output_shape(shape, self.filters)  # raises if the kernel does not fit
        axis = -1 if self.data_format == "channels_last" else 1
        self.input_spec = keras.InputSpec(ndim=self.rank + 2, axes={axis: shape[-1]})
        self._build_arrays(shape)

    def set_temperature(self, temperature: float) -> None:
        """Sets the divisor of the attention logits, where the layer has one.

        Raises:
            ValueError: it is not positive, or the layer is not built.
        """
        set_temperature(self, temperature)

    def rematerialized_call(self, layer_call: Any, *args: Any, **kwargs: Any) -> Any:
        """What a `keras.RematScope` makes of `call`.

        TensorFlow recomputes functions of positional arguments only, and Keras passes `training` by
        keyword.

        Returns:
            A function of the arguments of `call`.
        """
        known = {"training": kwargs["training"]} if "training" in kwargs else {}
        bound = super().rematerialized_call(partial(layer_call, **known), *args, **kwargs)
        return lambda *args, training=None, **others: bound(*args, **others)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        shape = shape_to_channels_last(input_shape, self.data_format)
        shape = self.window.output_shape(shape, self.filters)
        return shape_from_channels_last(shape, self.data_format)

    def _build_arrays(self, shape: Shape) -> None:
        """Creates all arrays, and the layers inside, for inputs of `shape` with channels last."""
        raise NotImplementedError

    def _take_function(self, conv: Any) -> None:
        """Copies a static convolution of the same geometry, as a start of `static_start` can."""
        raise NotImplementedError

    def _channels_last(self, inputs: Any) -> Any:
        """The map with its channels last. Raises ValueError if its numbers are whole."""
        dtype = keras.backend.standardize_dtype(inputs.dtype)
        if not keras.backend.is_float_dtype(dtype):  # the attentions would be whole, too
            raise ValueError(
                f"{type(self).__name__}: expected an input of floating-point numbers, received "
                f"{dtype}; cast it, or put a keras.layers.Rescaling before the layer"
            )
        return to_channels_last(inputs, self.data_format)

    def _finished(self, y: Any) -> Any:
        """The output, of one with channels last: in the data format, through the activation."""
        y = from_channels_last(y, self.data_format)
        return y if self.activation is None else self.activation(y)

    def _spec_for(self, in_channels: int) -> DynamicConvSpec:
        """The spec for an input of that width; the one that is there, if it is made for it."""
        spec = self._spec_before_build
        return spec if spec.in_channels == in_channels else replace(spec, in_channels=in_channels)
