"""What the three Keras runtimes share: everything but the way to gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import wraps
from importlib.metadata import version
from typing import Any, Protocol

import keras
import numpy as np
import numpy.typing as npt

from odconv_keras import set_temperature
from odconv_keras.layers import Warehouse, build_layer
from odconv_keras.models.factory import build_model
from odconv_spec import BackboneSpec
from parity_tests.adapters.attentions import attentions, running
from parity_tests.outputs.names import record
from parity_tests.problems import OPTIMISER, Problem
from parity_tests.reference import Run, Training
from parity_tests.reference.kernel_warehouse import KWChainSpec
from weights_converter import assign, extract
from weights_converter.live.keras_models import named_layers, variables
from weights_converter.names.layouts import KERAS

# Step(input, target) -> output, loss, gradient of the input, gradients of trainable_variables
Step = Callable[[Any, Any], tuple[Any, Any, Any, Sequence[Any]]]


class Backend(Protocol):
    """What differs between the Keras runtimes. A loss takes an output and a target."""

    distribution: str

    def building(self) -> AbstractContextManager[Any]:
        """Where a model is built, every array of which is assigned afterwards."""

    def attentions(self, shown: Callable[[Any], Any], x: Any) -> Any: ...

    def forward(self, model: Any, x: Any) -> Any: ...

    def step(self, model: Any, loss: Callable[[Any, Any], Any], training: bool) -> Step: ...


class KerasAdapter:
    """Keras on one backend."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    def versions(self) -> dict[str, str]:
        return {name: version(name) for name in ("keras", self.backend.distribution)}

    def run(self, problem: Problem) -> Run:
        model = self._model(problem)
        x = channels_last(problem.x)
        shown = self._attentions(model, problem, x)
        if problem.grad_output is None:
            y, grad_input, grads = self.backend.forward(model, x), None, {}
        else:
            step = self.backend.step(model, _weighted_sum, problem.training)
            y, _, grad_x, found = step(x, channels_last(problem.grad_output))
            grad_input = channels_first(_numpy(grad_x))
            grads = _by_name(model, found)
        return Run(
            output=channels_first(_numpy(y)),
            attentions=shown,
            grad_input=grad_input,
            grads=grads,
            statistics=running(extract(model)),
        )

    def train(self, problem: Problem) -> Training:
        model = self._model(problem)
        optimiser = keras.optimizers.SGD(OPTIMISER["lr"], OPTIMISER["momentum"])
        step = self.backend.step(model, _cross_entropy, training=True)
        losses = []
        for x, labels in problem.batches():
            _, loss, _, grads = step(channels_last(x), labels)
            trainable = model.trainable_variables
            # Keras's own weight_decay is decoupled from the momentum; the published SGD's is not.
            decay = OPTIMISER["weight_decay"]
            decayed = [g + decay * v.value for g, v in zip(grads, trainable, strict=True)]
            optimiser.apply(decayed, trainable)
            losses.append(float(_numpy(loss)))
        return Training(tuple(losses), extract(model))

    def layer_outputs(self, problem: Problem) -> dict[str, npt.NDArray[Any]]:
        model = self._model(problem)
        outputs: dict[str, npt.NDArray[Any]] = {}
        for path, layer in named_layers(model):
            layer.call = _recorded(layer.call, outputs, path)
        model(channels_last(problem.x), training=False)
        return outputs

    def _model(self, problem: Problem) -> Any:
        keras.config.set_floatx(problem.dtype)
        keras.config.set_dtype_policy(problem.dtype)
        keras.config.set_image_data_format("channels_last")
        with self.backend.building():
            model = _built(problem)
        assign(model, problem.arrays)
        set_temperature(model, problem.temperature)
        return model

    def _attentions(self, model: Any, problem: Problem, x: npt.NDArray[Any]) -> dict[str, Any]:
        if problem.training:
            return {}
        # In inference, as Keras' default.
        return attentions(model, lambda part: self.backend.attentions(part, x), _numpy)


def _recorded(
    call: Callable[..., Any], outputs: dict[str, npt.NDArray[Any]], path: str
) -> Callable[..., Any]:
    """`call`, recording its output: Keras has no hooks."""

    @wraps(call)
    def recorded(*args: Any, **kwargs: Any) -> Any:
        output = call(*args, **kwargs)
        if keras.ops.is_tensor(output):
            record(outputs, path, channels_first(_numpy(output)))
        return output

    return recorded


def _weighted_sum(y: Any, weight: Any) -> Any:
    return keras.ops.sum(y * keras.ops.convert_to_tensor(weight))


def _cross_entropy(y: Any, labels: Any) -> Any:
    losses = keras.losses.sparse_categorical_crossentropy(labels, y, from_logits=True)
    # keras.ops.mean computes in float32 on JAX, whatever it is given.
    return keras.ops.sum(losses) / len(labels)


def _built(problem: Problem) -> Any:
    spec = problem.spec
    if isinstance(spec, BackboneSpec):
        model: Any = build_model(spec)
    else:
        model = _Chain(spec) if isinstance(spec, KWChainSpec) else build_layer(spec)
    if not model.built:
        model.build((None, *[None] * (problem.x.ndim - 2), problem.x.shape[1]))
    return model


class _Chain(keras.layers.Layer):
    """Layers of KernelWarehouse one after another, which share warehouses."""

    def __init__(self, spec: KWChainSpec) -> None:
        super().__init__()
        self.spec = spec
        self.layers = [build_layer(layer) for layer in spec.layers]
        self.warehouse_manager = [Warehouse(each) for each in spec.warehouses.warehouses]

    def build(self, input_shape: Any) -> None:
        for warehouse in self.warehouse_manager:
            warehouse.build(input_shape)
        for layer in self.layers:
            layer.build(input_shape)
            input_shape = (*input_shape[:-1], layer.filters)

    def call(self, x: Any, training: bool | None = None) -> Any:
        for layer in self.layers:
            x = layer(x, self._cells_of(layer)(x), training=training)
        return x

    def _cells_of(self, layer: Any) -> Any:
        return self.warehouse_manager[layer.spec.place.warehouse]

    def attentions(self, x: Any) -> dict[str, Any]:
        found = {}
        for number, layer in enumerate(self.layers):
            found[f"layers.{number}"] = layer.attentions(x)["mixture"]
            x = layer(x, self._cells_of(layer)(x))
        return found


def _by_name(model: Any, grads: Sequence[Any]) -> dict[str, npt.NDArray[Any]]:
    """Gradients in the order of `trainable_variables`, by canonical name and in canonical axes."""
    known = {id(v.handle): v for v in variables(model)}
    found = {}
    for variable, grad in zip(model.trainable_variables, grads, strict=True):
        if grad is not None:
            array = known[id(variable)]
            found[array.name] = KERAS.to_canonical(array.role, _numpy(grad))
    return found


def _numpy(value: Any) -> npt.NDArray[Any]:
    return np.array(keras.ops.convert_to_numpy(value))


def channels_last(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.moveaxis(array, 1, -1) if array.ndim > 2 else array


def channels_first(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.moveaxis(array, -1, 1) if array.ndim > 2 else array
