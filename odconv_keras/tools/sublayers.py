"""The layers inside a layer, and copies of a model in which some of them are exchanged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import keras
from keras.layers import Layer

from odconv_keras.models.graph import Graph


def sublayers(layer: Layer) -> Iterator[tuple[str, Layer]]:
    """The layers directly inside, by name: those of a graph by their own, others by attribute."""
    if isinstance(layer, Graph):
        yield from layer.by_path().items()
        return
    if _is_graph(layer):
        inputs = keras.layers.InputLayer
        yield from ((x.name, x) for x in layer.layers if not isinstance(x, inputs))
        return
    places = _places(layer)
    for child in _directly_inside(layer):
        if id(child) in places:
            yield ".".join(str(part) for part in places[id(child)]), child


class Exchange:
    """Copies a model, with a new layer in the place of some of its own.

    Graphs, which are functional and sequential models, are cloned as Keras does, and networks of
    this package are traced anew; every other layer is made again from its config, before it is
    built, and receives its new layers as attributes.

    Args:
        new: layers that are not built, by the `id` of the layer that they replace. Those for which
            a copy has no place are removed, as it makes them only when it is built.
    """

    def __init__(self, new: Mapping[int, Layer]) -> None:
        self.new = dict(new)
        self._copies: dict[int, Layer] = {}  # by `id`, so that a shared layer stays shared

    def copy(self, layer: Layer) -> Layer:
        """The copy; its weights are those of new layers."""
        if id(layer) not in self._copies:
            self._copies[id(layer)] = self._made_again(layer)
        return self._copies[id(layer)]

    def copy_values(self, source: Layer, target: Layer) -> None:
        """Gives the copy, which is built, the weights of the source where no layer is new."""
        if id(source) in self.new:
            return
        if not self._concerns(source):
            target.set_weights(source.get_weights())
            return
        own: dict[str, Any] = {}
        source.save_own_variables(own)
        target.load_own_variables(own)
        for child, its_copy in _pairs(source, target):
            self.copy_values(child, its_copy)

    def _made_again(self, layer: Layer) -> Layer:
        if id(layer) in self.new:
            return self.new[id(layer)]
        if isinstance(layer, Graph):
            inside = layer.by_path().items()
            return layer.with_layers({p: self.copy(x) for p, x in inside if self._concerns(x)})
        if _is_graph(layer):
            return keras.models.clone_model(layer, clone_function=self.copy)
        twin = type(layer).from_config(layer.get_config())
        held = dict(sublayers(twin))
        for name, child in sublayers(layer):
            if not self._concerns(child):
                continue
            if name in held:
                _put(twin, held[name], self.copy(child))
            else:
                self._give_up(child)
        return twin

    def _concerns(self, layer: Layer) -> bool:
        return any(id(child) in self.new for child in layer._flatten_layers())

    def _give_up(self, layer: Layer) -> None:
        for child in layer._flatten_layers():
            self.new.pop(id(child), None)


def _is_graph(layer: Layer) -> bool:
    return isinstance(layer, keras.Sequential) or (
        isinstance(layer, keras.Model) and hasattr(layer, "operations")
    )


def _directly_inside(layer: Layer) -> list[Layer]:
    # Keras has no public walk; this one is in the order in which the layers were made.
    return list(layer._flatten_layers(include_self=False, recursive=False))


def _places(layer: Layer) -> dict[int, tuple[Any, ...]]:
    """By `id` of a layer inside, the attribute that holds it, and in a list or dict the key."""
    # On the PyTorch backend a layer is a torch module, which keeps its children in `_modules`.
    attributes = vars(layer) | vars(layer).get("_modules", {})
    found: dict[int, tuple[Any, ...]] = {}
    for name, value in attributes.items():
        if name in ("_layers", "_modules"):  # of Keras and of PyTorch
            continue
        if isinstance(value, Layer):
            found[id(value)] = (name,)
        elif isinstance(value, list | dict):
            items = value.items() if isinstance(value, dict) else enumerate(value)
            found |= {id(item): (name, key) for key, item in items if isinstance(item, Layer)}
    return found


def _put(layer: Layer, old: Layer, new: Layer) -> None:
    """Puts `new` where `layer` holds `old`."""
    attribute, *key = _places(layer)[id(old)]
    # Keras also has a list of the layers of its own, which an attribute's old value never leaves.
    layer._tracker.replace_tracked_value("layers", old, new)
    if key:
        getattr(layer, attribute)[key[0]] = new
    else:
        setattr(layer, attribute, new)


def _pairs(source: Layer, target: Layer) -> Iterator[tuple[Layer, Layer]]:
    """The layers directly inside, each with its counterpart in the copy."""
    if _is_graph(source):
        copies = dict(sublayers(target))
        yield from ((child, copies[name]) for name, child in sublayers(source))
    else:
        yield from zip(_directly_inside(source), _directly_inside(target), strict=True)
