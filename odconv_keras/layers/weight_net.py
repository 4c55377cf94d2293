"""What makes the kernels of WeightNet: layers on the mean of a map, which see one position."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from math import prod
from operator import add
from typing import Any

import keras
from keras import ops

from odconv_keras.layers.conv import conv
from odconv_keras.layers.data_format import data_format_or_default, to_channels_last
from odconv_keras.layers.padding import Window
from odconv_keras.layers.pooling import global_mean
from odconv_keras.layers.precision import unquantised
from odconv_keras.layers.spec_config import spec_from_config, spec_to_config
from odconv_spec import ConvSpec, ReduceSpec
from odconv_spec.geometry import whole


def normal(deviation: float) -> Any:
    """A normal start around zero; zeros for a deviation of 0."""
    return keras.initializers.RandomNormal(stddev=deviation) if deviation else "zeros"


@keras.saving.register_keras_serializable(package="odconv")
class Grouped(keras.layers.Layer):
    """A 1x1 convolution in groups of (batch, in) to (batch, out).

    It stores what a convolution of Keras stores and is none, see `Pointwise`.

    Args:
        spec: a convolution of one tap, in as many groups as it likes.
        kernel_initializer: of the kernel, (*ones, in // groups, out).
        kernel_regularizer: of the kernel.
        kernel_constraint: of the kernel.
        **kwargs: `name`, `dtype` and `trainable`.
    """

    def __init__(
        self,
        spec: ConvSpec,
        kernel_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        kernel_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.spec = spec
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)

    def build(self, input_shape: Sequence[int | None]) -> None:
        out, inner, *ones = self.spec.kernel_shape
        self._groups, self._out, self._inner = self.spec.groups, out, inner
        self.kernel = self.add_weight(
            name="kernel",
            shape=(*ones, inner, out),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.bias = None
        if self.spec.bias:
            self.bias = self.add_weight(name="bias", shape=(out,), initializer="zeros")

    def call(self, inputs: Any) -> Any:
        groups, inner = self._groups, self._inner
        # Both with the groups first: (groups, batch, in) and (groups, in, out) of each.
        rows = ops.transpose(ops.reshape(inputs, (-1, groups, inner)), (1, 0, 2))
        kernel = ops.reshape(self.kernel, (inner, groups, self._out // groups))
        # The operator, because `ops.matmul` takes float64 for float32 on PyTorch.
        y = rows @ ops.transpose(kernel, (1, 0, 2))
        y = ops.reshape(ops.transpose(y, (1, 0, 2)), (-1, self._out))
        return y if self.bias is None else y + self.bias

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return (input_shape[0], self.spec.out_channels)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config() | {"spec": spec_to_config(self.spec)}
        config["kernel_initializer"] = keras.initializers.serialize(self.kernel_initializer)
        config["kernel_regularizer"] = keras.regularizers.serialize(self.kernel_regularizer)
        config["kernel_constraint"] = keras.constraints.serialize(self.kernel_constraint)
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Grouped:
        return cls(**config | {"spec": spec_from_config(config["spec"])})


@keras.saving.register_keras_serializable(package="odconv")
class Reduce(keras.layers.Layer):
    """The vector (batch, units) that WeightNet makes kernels of, from maps (batch, *map, in).

    A linear layer on the mean. A `WeightNetConv2D` has its own, or the convolutions of a block
    share one: they are then made with `router="shared"` and called as `conv(x, reduce(x))`.

    Args:
        units: numbers of the vector.
        data_format: "channels_last" or "channels_first"; None is the setting of Keras.
        **kwargs: `name`, `dtype` and `trainable`.

    Example:
        >>> tuple(Reduce(16)(keras.ops.ones((2, 8, 9, 64))).shape)
        (2, 16)
    """

    def __init__(self, units: int, *, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        unquantised(self)
        self.units = whole("units", units, 1)
        self.data_format = data_format_or_default(data_format)
        self.input_spec = keras.InputSpec(min_ndim=3, max_ndim=5)

    @classmethod
    def from_spec(cls, spec: ReduceSpec, **kwargs: Any) -> Reduce:
        """The layer that `spec` describes, not built yet, for maps with channels last.

        Returns:
            The layer, whose arrays its first call makes.
        """
        return cls(spec.out_channels, data_format="channels_last", **kwargs)

    def build(self, input_shape: Sequence[int | None]) -> None:
        axis = -1 if self.data_format == "channels_last" else 1
        width: Any = input_shape[axis]
        self.spec = ReduceSpec(width, self.units, len(input_shape) - 2).conv()
        shape = (*(1,) * self.spec.rank, width, self.units)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer=normal(1 / width))
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")
        self.input_spec = keras.InputSpec(ndim=len(input_shape), axes={axis: width})

    def call(self, inputs: Any) -> Any:
        pooled = global_mean(to_channels_last(inputs, self.data_format))  # (batch, in)
        # The operator, because `ops.matmul` takes float64 for float32 on PyTorch.
        return pooled @ ops.reshape(self.kernel, self.kernel.shape[-2:]) + self.bias

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return (input_shape[0], self.units)

    def get_config(self) -> dict[str, Any]:
        own = {"units": self.units, "data_format": self.data_format}
        return super().get_config() | own


def kernels_of(flat: Any, shape: Sequence[int]) -> Any:
    """Kernels (..., *kernel, in, out) of their taps in order (..., out * in * kernel).

    Args:
        flat: (batch, taps of all filters).
        shape: (out, in // groups, *kernel).
    """
    rank = len(shape) - 2
    kernels = ops.reshape(flat, (-1, *shape))
    return ops.transpose(kernels, (0, *range(3, rank + 3), 2, 1))


def conv_in_segments(x: Any, kernel: Any, numbers: Any, window: Window) -> Any:
    """A convolution whose kernel is static but for a factor of each part of each filter's taps.

    The factors scale what the parts make, so that no sample has a kernel of its own. A part that
    ends with a channel sees the channels it has; one that ends within a channel sees them all, and
    its kernel is zero where other parts are.

    Args:
        x: (batch, *map, in).
        kernel: (*kernel, in // groups, out).
        numbers: (batch, out * parts), the factors.
        window: how the kernel moves.

    Returns:
        (batch, *map after convolution, out).
    """
    inner, out = kernel.shape[-2:]
    parts = numbers.shape[-1] // out
    ones = (1,) * len(window.kernel)
    factors = ops.reshape(numbers, (-1, *ones, out, parts))
    found = []
    for part in range(parts):
        if parts == 1 or inner % parts:
            seen, taps = x, _taps_of(kernel, part, parts)
        else:
            own = slice(part * (inner // parts), (part + 1) * (inner // parts))
            seen, taps = x[..., own], kernel[..., own, :]
        found.append(conv(seen, taps, window) * factors[..., part])
    return reduce(add, found)


def _taps_of(kernel: Any, part: int, parts: int) -> Any:
    """The kernel, with zeros for the taps of other parts."""
    if parts == 1:
        return kernel
    *taps, inner, _ = kernel.shape
    count = inner * prod(taps)
    part_of = ops.reshape(ops.arange(count) * parts // count, (inner, *taps))
    own = ops.moveaxis(part_of, 0, -1) == part  # (*kernel, in)
    return kernel * ops.cast(ops.expand_dims(own, -1), kernel.dtype)
