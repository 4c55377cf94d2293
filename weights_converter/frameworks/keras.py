"""The arrays of a Keras layer or model, on any backend."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import keras
import numpy as np

from odconv_spec import ConvSpec, Role
from weights_converter.dtypes import Array
from weights_converter.errors import UsageError
from weights_converter.layouts import KERAS
from weights_converter.naming import CONV, LAYER_NORM, LINEAR, NORM
from weights_converter.slots import Slot, Variable, collect, refuse_strangers


def slots(model: keras.layers.Layer) -> dict[str, Slot]:
    """Canonical name -> place of every array in the layer or model."""
    if not model.built:
        raise UsageError(
            f"{type(model).__name__} {model.name!r} has no arrays yet",
            help="call it once, or build(input_shape) it",
        )
    found = list(variables(model))
    known = {id(variable.handle) for variable in found}
    refuse_strangers([w.path for w in model.weights if id(w) not in known and not _runtime(w)])
    return collect(found, KERAS)


def variables(model: keras.layers.Layer) -> Iterator[Variable]:
    """Every array with a role."""
    for path, layer in _layers(model, ""):
        for leaf, role in _roles(layer).items():
            weight = getattr(layer, leaf, None)
            if weight is not None:
                yield _variable(path, role, weight)


def _layers(layer: keras.layers.Layer, path: str) -> Iterator[tuple[str, keras.layers.Layer]]:
    yield path, layer
    for name, child in _children(layer):
        yield from _layers(child, f"{path}.{name}".lstrip("."))


def _children(layer: keras.layers.Layer) -> Iterator[tuple[str, keras.layers.Layer]]:
    """Sub-layers by attribute; those of a functional or sequential model by layer name."""
    # On the torch backend a layer is a torch module, which keeps its children in `_modules`.
    attributes = vars(layer) | vars(layer).get("_modules", {})
    children = {n: c for n, c in attributes.items() if isinstance(c, keras.layers.Layer)}
    yield from ((name, child) for name, child in children.items() if not name.startswith("_"))
    if isinstance(layer, keras.Model):
        known = {id(child) for child in children.values()}
        yield from ((child.name, child) for child in layer.layers if id(child) not in known)


def _roles(layer: keras.layers.Layer) -> Mapping[str, Role]:
    """Attribute -> role of the arrays that the layer itself holds."""
    spec = getattr(layer, "spec", None)
    if isinstance(spec, ConvSpec) and hasattr(layer, "kernel"):
        roles: tuple[Role, ...] = tuple(p.role for p in spec.own_parameters())
    elif isinstance(layer, (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)):
        roles = CONV
    elif isinstance(layer, keras.layers.BatchNormalization):
        roles = NORM
    elif isinstance(layer, keras.layers.LayerNormalization):
        roles = LAYER_NORM
    elif isinstance(layer, keras.layers.Dense):
        roles = LINEAR
    else:
        return {}
    return {KERAS.rows[role].leaf: role for role in roles}


def _runtime(weight: keras.Variable) -> bool:
    """Whether it is state of a run rather than of the model: temperatures, dropout seeds."""
    return str(weight.path).endswith(("/temperature", "/seed_generator_state"))


def _variable(owner: str, role: Role, weight: keras.Variable) -> Variable:
    def get() -> Array:
        return np.array(keras.ops.convert_to_numpy(weight.value))

    return Variable(owner, role, tuple(weight.shape), str(weight.dtype), weight, get, weight.assign)
