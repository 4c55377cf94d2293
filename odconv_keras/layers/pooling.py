"""Pooling. Channels are last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops

from odconv_keras.layers.precision import at_least_single, mean
from odconv_keras.layers.recording import recorded_form
from odconv_keras.layers.sizes import sizes_of


def global_mean(x: Any, keepdims: bool = False) -> Any:
    """Mean over the map of x, (batch, *map, channels)."""
    axes = tuple(range(1, len(x.shape) - 1))
    return ops.cast(mean(at_least_single(x), axes, keepdims), x.dtype)


def global_max(x: Any, keepdims: bool = False) -> Any:
    """Maximum over the map of x, (batch, *map, channels)."""
    axes = tuple(range(1, len(x.shape) - 1))
    for axis in axes:
        x = largest(x, axis)
    return x if keepdims else ops.squeeze(x, axes)


def adaptive_mean(x: Any, sizes: Sequence[int]) -> Any:
    """The means over windows, as many along each axis: (batch, *map, channels) to (..., *sizes, .).

    Window i of an axis is from i * size / count, rounded down, to the next, rounded up: windows
    overlap where the map does not divide, and are alike where it is smaller.
    """
    for axis, count in enumerate(sizes, start=1):
        (size,) = sizes_of(x, (axis,))  # a tensor if the graph knows no number
        means = []
        for i in range(count):
            place = slice(i * size // count, -(-(i + 1) * size // count))
            window = x[(*(slice(None) for _ in range(axis)), place)]
            means.append(mean(window, (axis,), keepdims=True))
        x = ops.concatenate(means, axis)
    return x


def largest(x: Any, axis: int) -> Any:
    """Maximum over one axis, which stays with one element.

    It is taken from its place. The gradient of `ops.max` looks for the value again on JAX: compiled
    code may compute it a bit otherwise then, find it nowhere and divide by zero. A file has no
    gradient, and LiteRT has not all of what Keras makes of `ops.argmax`.
    """
    if recorded_form(x) is not None:
        return ops.max(x, axis, keepdims=True)
    return ops.take_along_axis(x, ops.argmax(x, axis, keepdims=True), axis)


def max_pool(x: Any, size: int, strides: int, padding: int) -> Any:
    """Maximum over square windows; `padding` values that are never the maximum go on each side.

    Keras pads only by "same", which with a stride pads more after the map.
    """
    pairs = ((0, 0), *(((padding, padding),) * (len(x.shape) - 2)), (0, 0))
    x = ops.pad(x, pairs, constant_values=float("-inf"))
    return ops.max_pool(x, size, strides, padding="valid", data_format="channels_last")
