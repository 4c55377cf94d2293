"""Pooling as layers, which a graph takes whose sizes are unknown. Channels are last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from odconv_keras.layers.pooling import global_max, global_mean, max_pool
from odconv_spec.geometry import one_of

Shape = Sequence[int | None]


@keras.saving.register_keras_serializable(package="odconv")
class GlobalPool(keras.layers.Layer):
    """The mean ("avg") or the maximum ("max") over the map: (batch, *map, channels) to two axes.

    Args:
        pool: "avg" or "max".
        keepdims: keeps the axes of the map, which are then of length one.
        **kwargs: `name` and `dtype`.

    Example:
        >>> tuple(GlobalPool("max")(keras.ops.ones((2, 8, 9, 6))).shape)
        (2, 6)
    """

    def __init__(self, pool: str = "avg", keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pool = one_of("pool", pool, ("avg", "max"))
        self.keepdims = keepdims

    def call(self, inputs: Any) -> Any:
        return (global_max if self.pool == "max" else global_mean)(inputs, self.keepdims)

    def compute_output_shape(self, input_shape: Shape) -> tuple[int | None, ...]:
        ones = (1,) * (len(input_shape) - 2) if self.keepdims else ()
        return (input_shape[0], *ones, input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"pool": self.pool, "keepdims": self.keepdims}


@keras.saving.register_keras_serializable(package="odconv")
class MaxPool(keras.layers.Layer):
    """`max_pool` as a layer: (batch, *map, channels) to a smaller map.

    Args:
        size: of the window along each axis.
        strides: step along each axis.
        padding: values on both sides of each axis.
        **kwargs: `name` and `dtype`.

    Example:
        >>> tuple(MaxPool(3, strides=2, padding=1)(keras.ops.ones((2, 8, 9, 6))).shape)
        (2, 4, 5, 6)
    """

    def __init__(self, size: int, strides: int, padding: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size, self.strides, self.padding = size, strides, padding

    def call(self, inputs: Any) -> Any:
        return max_pool(inputs, self.size, self.strides, self.padding)

    def compute_output_shape(self, input_shape: Shape) -> tuple[int | None, ...]:
        batch, *sizes, channels = input_shape
        reach = self.size - 2 * self.padding
        smaller = [None if n is None else (n - reach) // self.strides + 1 for n in sizes]
        return (batch, *smaller, channels)

    def get_config(self) -> dict[str, Any]:
        own = {"size": self.size, "strides": self.strides, "padding": self.padding}
        return super().get_config() | own
