"""The arguments of a convolution of Keras: as attributes, as a spec, and in its config."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import keras

from odconv_keras.layers.data_format import data_format_or_default
from odconv_keras.layers.padding import Window
from odconv_keras.layers.precision import unquantised
from odconv_spec import DynamicConvSpec
from odconv_spec.geometry import divisible, padding_pairs, per_axis, whole

Size = int | Sequence[int]
Padding = int | Sequence[int] | Sequence[tuple[int, int]] | str


class ConvAttributes(keras.layers.Layer):
    """The attributes that `keras.layers.Conv2D` has, and those of the kind, from a spec."""

    rank: ClassVar[int]
    spec_class: ClassVar[type[DynamicConvSpec]]
    spec: Any  # for the channels of the input: from `build` on

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

    def get_config(self) -> dict[str, Any]:
        geometry = "filters kernel_size strides padding data_format dilation_rate groups use_bias"
        config = super().get_config() | {name: getattr(self, name) for name in geometry.split()}
        options = self.option_names()
        config |= {name: getattr(self._spec_before_build, name) for name in options}
        return config | serialized(self)

    def _add_bias(self) -> keras.Variable:
        return self.add_weight(
            name="bias",
            shape=self.spec.bias_shape,
            initializer=self.bias_initializer,
            regularizer=self.bias_regularizer,
            constraint=self.bias_constraint,
        )


def serialized(layer: Any) -> dict[str, Any]:
    """Of a layer with a kernel and a bias: what Keras serialises of its arguments.

    Args:
        layer: with the attributes of `keras.layers.Conv2D` or `keras.layers.Dense`.

    Returns:
        Argument -> its configuration.
    """
    found = {"activation": keras.activations.serialize(layer.activation)}
    for use in ("kernel_initializer", "bias_initializer"):
        found[use] = keras.initializers.serialize(getattr(layer, use))
    for use in ("kernel_regularizer", "bias_regularizer", "activity_regularizer"):
        found[use] = keras.regularizers.serialize(getattr(layer, use))
    for use in ("kernel_constraint", "bias_constraint"):
        found[use] = keras.constraints.serialize(getattr(layer, use))
    return found


def _plain_padding(padding: Any, rank: int) -> Any:
    """A word as Keras writes it, or (before, after) pairs."""
    return padding.lower() if isinstance(padding, str) else padding_pairs(padding, rank)
