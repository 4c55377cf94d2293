"""A fully connected layer."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="odconv")
class Linear(keras.layers.Dense):
    """`keras.layers.Dense` that computes float64 as such on PyTorch, too."""

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        y = inputs @ self.kernel
        y = y if self.bias is None else y + self.bias
        return y if self.activation is None else self.activation(y)
