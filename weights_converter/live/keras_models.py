"""The arrays of Keras layers and models, on any backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np

from odconv_spec import LinearSpec, Parameter, Role, WarehouseSpec
from odconv_spec.parameters import CONV, LAYER_NORM, LINEAR, NORM
from weights_converter import formats
from weights_converter.arrays.casting import cast
from weights_converter.arrays.dtypes import Array
from weights_converter.errors import UsageError
from weights_converter.live.slots import Slot, Variable, collect, inside, refuse_strangers
from weights_converter.names.layouts import KERAS, owner_of


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
    for path, layer in named_layers(model):
        for leaf, role in _roles(layer).items():
            weight = inside(layer, leaf)
            if weight is not None:
                owner = f"{path}.{owner_of(leaf)}".strip(".")
                yield _variable(KERAS.canonical_owner(owner, role), role, weight)


def named_layers(
    layer: keras.layers.Layer, path: str = ""
) -> Iterator[tuple[str, keras.layers.Layer]]:
    """The layer and all layers in it, by attribute path."""
    yield path, layer
    for name, child in _children(layer):
        yield from named_layers(child, f"{path}.{name}".lstrip("."))


def _children(layer: keras.layers.Layer) -> Iterator[tuple[str, keras.layers.Layer]]:
    """Sub-layers by attribute; those of a functional or sequential model by layer name.

    Those in a list or a dictionary are called as in torch: by the attribute, and their place in it.
    """
    # On the torch backend a layer is a torch module, which keeps its children in `_modules`.
    attributes = vars(layer) | vars(layer).get("_modules", {})
    public = {name: value for name, value in attributes.items() if not name.startswith("_")}
    children = {name: child for name, value in public.items() for name, child in _in(name, value)}
    yield from children.items()
    if isinstance(layer, keras.Model):
        # A functional model has layers that attributes of its own lead to, at any depth.
        known = {id(inside) for child in children.values() for inside in child._flatten_layers()}
        yield from ((child.name, child) for child in layer.layers if id(child) not in known)


def _in(name: str, value: Any) -> Iterator[tuple[str, keras.layers.Layer]]:
    """The layer, or the layers of a container, with their paths."""
    if isinstance(value, keras.layers.Layer):
        yield name, value
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from _in(f"{name}.{index}", item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _in(f"{name}.{key}", item)


def _roles(layer: keras.layers.Layer) -> Mapping[str, Role]:
    """Attribute, or path of them, -> role of the arrays that the layer itself holds."""
    spec: Any = getattr(layer, "spec", None)
    if hasattr(spec, "own_parameters"):
        return {_path(p): p.role for p in spec.own_parameters()}
    if isinstance(spec, WarehouseSpec):
        roles: tuple[Role, ...] = (Role.CELLS,)
    elif isinstance(layer, (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)):
        roles = CONV
    elif isinstance(layer, keras.layers.BatchNormalization):
        roles = NORM
    elif isinstance(layer, keras.layers.LayerNormalization):
        roles = LAYER_NORM
    elif isinstance(layer, keras.layers.Dense) or isinstance(spec, LinearSpec):
        roles = LINEAR
    else:
        return {}
    return {KERAS.rows[role].leaf: role for role in roles}


def _path(parameter: Parameter) -> str:
    """The attributes that lead to an array from the layer that has it as one of its own."""
    return f"{owner_of(parameter.name)}.{KERAS.rows[parameter.role].leaf}".lstrip(".")


def file_paths(model: keras.layers.Layer) -> dict[str, str]:
    """Canonical name -> name in the file that `model.save_weights` writes; none for a lone layer.

    Keras makes these names of classes, attributes and their order. So it is asked: a file is
    written that has in place of each variable its number.
    """
    if not isinstance(model, keras.Model):
        return {}
    saved: list[keras.Variable] = []
    layers = list(model._flatten_layers())  # Keras has no public walk over all depths
    for layer in layers:
        layer.save_own_variables = _numbering(layer.save_own_variables, saved)
    try:
        with TemporaryDirectory() as folder:
            path = Path(folder, "numbers.weights.h5")
            model.save_weights(path)
            found = formats.read(path).tensors.items()
            numbers = {name: int(t.load()) for name, t in found if t.dtype == "I64"}
    finally:
        for layer in layers:
            del layer.save_own_variables  # the method of the class comes back
    names = {id(saved[number]): name for name, number in numbers.items()}
    return {v.name: names[id(v.handle)] for v in variables(model) if id(v.handle) in names}


def _numbering(save: Callable[[Any], None], saved: list[keras.Variable]) -> Callable[[Any], None]:
    """`save_own_variables` that writes each variable's place in `saved` for its values."""

    def save_own_variables(store: Any) -> None:
        own: dict[str, Any] = {}
        save(own)
        for key, variable in own.items():
            store[key] = np.asarray(len(saved), np.int64)
            saved.append(variable)

    return save_own_variables


def _runtime(weight: keras.Variable) -> bool:
    """Whether it is state of a run rather than of the model: temperatures, dropout seeds."""
    return str(weight.path).endswith(("/temperature", "/seed_generator_state"))


def _variable(owner: str, role: Role, weight: keras.Variable) -> Variable:
    bits = weight.dtype == "bfloat16"  # NumPy has no such type; as in a file these are its bits
    whole = weight.dtype == "int32"  # of indices, which are int64 where JAX is not asked

    def get() -> Array:
        value = keras.ops.cast(weight.value, "float32") if bits else weight.value
        array = np.array(keras.ops.convert_to_numpy(value))
        if whole:
            return array.astype(np.int64)
        return cast(array, "F32", "BF16") if bits else array

    def set(array: Array) -> None:
        weight.assign(cast(array, "BF16", "F32") if bits else array)

    dtype = "int64" if whole else str(weight.dtype)
    return Variable(owner, role, tuple(weight.shape), dtype, weight, get, set)


def set_temperature(model: keras.Model, temperature: float) -> None:
    """Of every dynamic convolution."""
    from odconv_keras.layers import temperature as ours  # not every network has our layers

    ours.set_temperature(model, temperature)


def temperatures(model: keras.Model) -> set[float]:
    """Those of its dynamic convolutions."""
    from odconv_keras.layers import temperature as ours

    return ours.temperatures(model)
