"""A fully connected layer."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="odconv")
class Linear(keras.layers.Dense):
    """`keras.layers.Dense` that computes float64 as such on PyTorch, too.

    All axes of an input but the first are known. Its product is one of two axes: where that of
    TensorFlow 2.21 spreads a matrix over (batch, 1, ...), it writes beside its memory on processors
    with AVX-512, which ends the process or gives wrong numbers.
    """

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        width = inputs.shape[-1]
        # The operator, because `ops.matmul` takes float64 for float32 on PyTorch.
        y = ops.reshape(inputs, (-1, width)) @ self.kernel
        y = ops.reshape(y, (-1, *inputs.shape[1:-1], self.units))
        y = y if self.bias is None else y + self.bias
        return y if self.activation is None else self.activation(y)
