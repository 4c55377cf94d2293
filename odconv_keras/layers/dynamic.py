"""What the dynamic convolutions share: a geometry, its checks, and their config."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, TypeVar

import keras

from odconv_keras.layers.data_format import (
    data_format_or_default,
    from_channels_last,
    shape_from_channels_last,
    shape_of_any_size,
    shape_to_channels_last,
    to_channels_last,
)
from odconv_keras.layers.from_static import layer_like, static_spec
from odconv_keras.layers.padding import Window
from odconv_keras.layers.precision import unquantised
from odconv_keras.layers.temperature import set_temperature
from odconv_spec import DynamicConvSpec
from odconv_spec.geometry import divisible, padding_pairs, per_axis, whole

Size = int | Sequence[int]
Padding = int | Sequence[int] | Sequence[tuple[int, int]] | str
Shape = tuple[int | None, ...]
Made = TypeVar("Made", bound="DynamicConv")


class DynamicConv(keras.layers.Layer):
    """A convolution whose kernel or output depends on the sample, or whose kernel on itself.

    A subclass names its spec, makes its arrays in `_build_arrays`, and computes in `call`.

    Example:
        >>> first = create_model("od_resnet18").layer1.in_order()[0]
        >>> isinstance(first.conv1, DynamicConv), isinstance(first.bn1, DynamicConv)
        (True, False)
    """

    rank: ClassVar[int]
    spec_class: ClassVar[type[DynamicConvSpec]]

    def __init__(
        self,
        spec: DynamicConvSpec,
        *,
        padding: Padding | None = None,
        data_format: str | None = None,
        activation: Any = None,
        kernel_initializer: Any = None,
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        """Holds the options of `spec` as attributes; a subclass makes the spec of its arguments."""
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        unquantised(self)
        self.filters = spec.out_channels
        self.kernel_size = spec.kernel
        self.strides = spec.strides
        self.padding = spec.padding if padding is None else _plain_padding(padding, self.rank)
        self.data_format = data_format_or_default(data_format)
        self.dilation_rate = spec.dilations
        self.groups = spec.groups
        self.activation = keras.activations.get(activation)
        self.use_bias = spec.bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)
        for name in self.option_names():
            if not hasattr(type(self), name):  # `attentions` is a method, and an option of ODConv
                setattr(self, name, getattr(spec, name))
        self.window = Window.of_spec(spec)
        self.input_spec = keras.InputSpec(ndim=self.rank + 2)
        self._spec_before_build = spec  # of any width: that of the input is known in `build`

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
    def spec_of(
        cls,
        filters: int,
        kernel_size: Size,
        strides: Size,
        padding: Padding,
        dilation_rate: Size,
        groups: int,
        use_bias: bool,
        **options: Any,
    ) -> DynamicConvSpec:
        """The spec of arguments of Keras, whose names errors have, for an input of least width.

        Returns:
            The spec, whose channels of the input are not yet those of the layer.

        Raises:
            ValueError: an argument is out of range.
        """
        filters, groups = whole("filters", filters, 1), whole("groups", groups, 1)
        divisible(groups, filters=filters)
        return cls.spec_class(
            in_channels=cls.least_channels(
                groups, filters=filters, kernel_size=kernel_size, **options
            ),
            out_channels=filters,
            kernel_size=kernel_size,
            stride=per_axis("strides", strides, cls.rank, 1),
            padding=_plain_padding(padding, cls.rank),
            dilation=per_axis("dilation_rate", dilation_rate, cls.rank, 1),
            groups=groups,
            bias=use_bias,
            rank=cls.rank,
            **options,
        )

    @classmethod
    def least_channels(cls, groups: int, **options: Any) -> int:
        """Channels for which every option is possible, until those of the input are known.

        Returns:
            A number of channels.
        """
        return groups

    @classmethod
    def option_names(cls) -> tuple[str, ...]:
        """The options that are not those of every convolution.

        Returns:
            Names of constructor arguments.
        """
        return tuple(field.name for field in cls.spec_class.own_options())

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

    def get_config(self) -> dict[str, Any]:
        geometry = "filters kernel_size strides padding data_format dilation_rate groups use_bias"
        config = super().get_config() | {name: getattr(self, name) for name in geometry.split()}
        options = self.option_names()
        config |= {name: getattr(self._spec_before_build, name) for name in options}
        config["activation"] = keras.activations.serialize(self.activation)
        for use in ("kernel_initializer", "bias_initializer"):
            config[use] = keras.initializers.serialize(getattr(self, use))
        for use in ("kernel_regularizer", "bias_regularizer", "activity_regularizer"):
            config[use] = keras.regularizers.serialize(getattr(self, use))
        for use in ("kernel_constraint", "bias_constraint"):
            config[use] = keras.constraints.serialize(getattr(self, use))
        return config

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

    def _add_bias(self) -> keras.Variable:
        return self.add_weight(
            name="bias",
            shape=self.spec.bias_shape,
            initializer=self.bias_initializer,
            regularizer=self.bias_regularizer,
            constraint=self.bias_constraint,
        )


def _plain_padding(padding: Any, rank: int) -> Any:
    """A word as Keras writes it, or (before, after) pairs."""
    return padding.lower() if isinstance(padding, str) else padding_pairs(padding, rank)
