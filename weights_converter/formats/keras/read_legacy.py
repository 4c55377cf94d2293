"""Reads the `.h5` files of Keras 1 and 2, and of Keras 3's `model.save("name.h5")`.

Each layer is a group that has a list of its arrays. A file is one of weights, or one of a whole
model, whose `model_weights` is the same and whose configuration is never looked at. The lists
themselves are not read: they are texts of any length, of which a file of a megabyte can hold a
terabyte, and say nothing that the names of the arrays do not say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import h5py

from weights_converter.arrays.tensor import Checkpoint, Tensor
from weights_converter.errors import legible
from weights_converter.formats.files.array_names import repeated
from weights_converter.formats.hdf5.file import Hdf5
from weights_converter.formats.hdf5.text import text_attribute

FORMAT = "keras-legacy"
_MODEL = "model_weights"
_TOP = "top_level_model_weights"  # arrays that belong to no layer
_LAYERS = ("layer_names", "layer_names0")  # a list too long for one attribute is in several
_ARRAYS = ("weight_names", "weight_names0")
_FACTS = ("keras_version", "backend")


def is_legacy(file: h5py.File) -> bool:
    """Whether the file, which holds no links, has a list of its layers."""
    return _has(_model(file), _LAYERS)


def _has(group: h5py.Group, attributes: tuple[str, ...]) -> bool:
    held = group.attrs
    return any(name in held for name in attributes)


def read_legacy(hdf5: Hdf5, file: h5py.File, found: Mapping[str, Tensor]) -> Checkpoint:
    """The layers' arrays under "layer/weight" names such as conv2d/kernel.

    Args:
        found: every array of the file by its path.

    Raises:
        RefusedError: two arrays have the same name.
    """
    group = _model(file)
    names = _short_or_whole({path: parts for path, *parts in _split(group, found)})
    twice = repeated(names.values())
    if twice is not None:
        raise hdf5.source.refused(f"it has two arrays {legible(twice)}")
    arrays = {name: found[path].renamed(name) for path, name in names.items()}
    notes: tuple[str, ...] = ()
    if len(arrays) < len(found):
        notes = (f"left out {len(found) - len(arrays)} arrays that belong to no layer",)
    texts = {name: text_attribute(hdf5, group, name) for name in _FACTS}
    facts: dict[str, int | float | str] = {n: text for n, text in texts.items() if text is not None}
    return Checkpoint(hdf5.source.path, FORMAT, "keras", arrays, {}, facts, notes)


def _model(file: h5py.File) -> h5py.Group:
    group = file.get(_MODEL)
    return group if isinstance(group, h5py.Group) else file


def _split(group: h5py.Group, paths: Mapping[str, object]) -> Iterator[tuple[str, str, str]]:
    """(path, layer, weight) of every array under a group that has a list of arrays."""
    top = f"{group.name}/".replace("//", "/")
    layers = {"": ""}
    for path in paths:
        if f"/{path}".startswith(top):
            inside = f"/{path}".removeprefix(top)
            layer = _layer(group, inside.rpartition("/")[0], layers)
            if layer:
                yield path, layer, inside[len(layer) + 1 :].removesuffix(":0")


def _layer(group: h5py.Group, inside: str, layers: dict[str, str]) -> str:
    """The outermost group around `inside`, or this one, that has a list; "" if none has.

    Args:
        layers: what is known already of groups, each of which is looked at once.
    """
    if inside not in layers:
        layers[inside] = _layer(group, inside.rpartition("/")[0], layers)
        if not layers[inside] and _has(group[inside], _ARRAYS):
            layers[inside] = inside
    return layers[inside]


def _short_or_whole(split: Mapping[str, list[str]]) -> dict[str, str]:
    """Each array's name from its layer on, unless two would have the same."""
    short = {path: _short(layer, weight) for path, (layer, weight) in split.items()}
    counts = Counter(short.values())
    return {
        path: short[path] if counts[short[path]] == 1 else f"{layer}/{weight}"
        for path, (layer, weight) in split.items()
    }


def _short(layer: str, weight: str) -> str:
    """Without the models that hold the layer, whose names Keras may put before its own."""
    if layer == _TOP:
        return weight
    _, found, after = f"/{weight}".partition(f"/{layer}/")
    return f"{layer}/{after if found else weight}"
