"""Arithmetic that keeps its digits: not in half precision, and in float64 on every backend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from odconv_keras.layers.sizes import sizes_of


def at_least_single(x: Any) -> Any:
    """x in float32, or in float64 if it is that already.

    `keras.backend.result_type` would lower float64 to float32 on JAX and PyTorch.
    """
    halves = ("float16", "bfloat16")
    return ops.cast(x, "float32") if keras.backend.standardize_dtype(x.dtype) in halves else x


def count(x: Any, axes: Sequence[int]) -> Any:
    """The number of values along the axes, a scalar of x's dtype; the graph may not know it."""
    total = ops.ones((), x.dtype)
    for size in sizes_of(x, axes):
        total = total * ops.cast(size, x.dtype)
    return total


def mean(x: Any, axes: Sequence[int], keepdims: bool = False) -> Any:
    """Like `keras.ops.mean`, which takes float64 for float32 on JAX and PyTorch."""
    return ops.sum(x, axes, keepdims=keepdims) / count(x, axes)


def softmax(logits: Any, temperature: Any) -> Any:
    """Softmax of logits / temperature over the last axis, in the logits' dtype."""
    x = at_least_single(logits)
    return ops.cast(ops.softmax(x / ops.cast(temperature, x.dtype)), logits.dtype)


def unquantised(layer: keras.layers.Layer) -> None:
    """Refuses a dtype policy of quantised arithmetic, which Keras would refuse in the first call.

    Raises:
        NotImplementedError: the layer has one.
    """
    if layer.quantization_mode is not None:
        raise NotImplementedError(
            f"dtype: expected a policy of floating point for {type(layer).__name__}, received "
            f"{layer.dtype_policy.name!r}; give the layer dtype='float32', say, or quantise the "
            "other layers of the finished model by model.quantize"
        )
