"""What the Keras runtimes share: everything but how a function is compiled.

Steps are written out instead of taken from `train_on_batch` and `predict_on_batch`: those move
arrays between the backend, NumPy and Keras' variables around each step, which would blur a layer
of a few milliseconds. What they compile is what is compiled here.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, Protocol

import keras
import numpy as np

from benchmarks.frameworks.base import LEARNING_RATE, MOMENTUM, Array, Framework, Run
from benchmarks.machine import cores
from benchmarks.published.keras import publish
from odconv_keras.layers import build_conv
from odconv_keras.models.factory import build_model
from odconv_spec import BackboneSpec, ConvSpec
from weights_converter import assign


class Backend(Protocol):
    """How a backend compiles; all take and give its own tensors, with channels last."""

    distribution: str

    def compiled(self, model: Any) -> Any: ...

    def inference(self, model: Any, x: Any) -> Run: ...

    def backward(self, model: Any, x: Any, grad_output: Any) -> Run: ...

    def step(self, model: Any, x: Any, labels: Any, optimiser: Any) -> Run: ...


class KerasFramework(Framework):
    """Keras on one backend."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    def versions(self) -> dict[str, str]:
        return {name: version(name) for name in ("keras", self.backend.distribution)}

    def threads(self) -> int:
        return cores()  # what both take unless told otherwise, and neither tells

    def build(self, spec: ConvSpec | BackboneSpec, arrays: Mapping[str, Array]) -> Any:
        if isinstance(spec, BackboneSpec):
            model: Any = build_model(spec, data_format="channels_last")
            assign(model, arrays)
            return model
        layer = build_conv(spec)
        inputs = keras.Input((None, None, spec.in_channels))
        model = keras.Model(inputs, layer(inputs))  # takes `training`, as not every layer does
        assign(layer, arrays)
        return model

    def publish(self, model: Any) -> None:
        publish(model)

    def set_strategy(self, model: Any, name: str) -> None:
        raise ValueError(f"strategy: odconv_keras has one way to compute, received {name!r}")

    def compiled(self, model: Any) -> Any:
        return self.backend.compiled(model)

    def inference(self, model: Any, x: Array) -> Run:
        return self.backend.inference(model, _tensor(x))

    def backward(self, model: Any, x: Array, grad_output: Array) -> Run:
        return self.backend.backward(model, _tensor(x), _tensor(grad_output))

    def step(self, model: Any, x: Array, labels: Array) -> Run:
        optimiser = keras.optimizers.SGD(LEARNING_RATE, MOMENTUM)
        optimiser.build(model.trainable_variables)
        return self.backend.step(
            model, _tensor(x), keras.ops.convert_to_tensor(labels, "int32"), optimiser
        )

    def numpy(self, tensor: Any) -> Array:
        array = np.asarray(keras.ops.convert_to_numpy(tensor))
        return np.moveaxis(array, -1, 1)


def cross_entropy(labels: Any, logits: Any) -> Any:
    losses = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    return keras.ops.mean(losses)


def _tensor(array: Array) -> Any:
    return keras.ops.convert_to_tensor(np.ascontiguousarray(np.moveaxis(array, 1, -1)))
