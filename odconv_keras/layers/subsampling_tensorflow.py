"""`subsampling` on TensorFlow, which takes a slice with steps value by value.

Its gather copies whole positions, which costs nothing beside the convolution, but has a gradient
that adds where nothing meets. Here the gradient is a gather, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import tensorflow as tf
from keras import ops

from odconv_keras.layers.recording import recorded_form


def gathered(x: Any, strides: Sequence[int]) -> Any:
    """Every `strides`-th position of x, (batch, *map, channels), from the first along each axis."""
    batch, *sizes, channels = ops.shape(x)  # tensors among them if the graph knows no number
    seen = [(size - 1) // step + 1 for size, step in zip(sizes, strides, strict=True)]
    there, back = _numbers(sizes, seen, strides)

    @tf.custom_gradient
    def taken(positions: Any) -> Any:
        def gradient(upstream: Any) -> Any:
            behind = tf.pad(upstream, ((0, 0), (0, 1), (0, 0)))  # zeros, for all that is not seen
            return tf.gather(behind, back, axis=1)

        return tf.gather(positions, there, axis=1), gradient

    positions = tf.reshape(x, (batch, prod(sizes), channels))
    if recorded_form(x) is None:
        positions = taken(positions)
    else:  # a file has no gradient, and nothing that is not used
        positions = tf.gather(positions, there, axis=1)
    return tf.reshape(positions, (batch, *seen, channels))


def _numbers(sizes: Sequence[Any], seen: Sequence[Any], strides: Sequence[int]) -> tuple[Any, Any]:
    """Of each position that is seen its number in the map; of each in the map that among the seen.

    Maps are counted in row-major order. What is not seen has the number behind the last.
    """
    lib = np if all(isinstance(size, int) for size in sizes) else ops
    there = back = passed = lib.zeros(1, "int32")
    for size, number, step in zip(sizes, seen, strides, strict=True):
        axis = lib.arange(size, dtype="int32")
        there = lib.reshape(there[:, None] * size + axis[::step], -1)
        back = lib.reshape(back[:, None] * number + axis // step, -1)
        passed = lib.reshape(passed[:, None] + axis % step, -1)
    return there, lib.where(passed > 0, prod(seen), back)
