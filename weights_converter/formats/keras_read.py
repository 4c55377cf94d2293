"""Reads `.weights.h5`: HDF5 with one group per layer and its arrays under `vars/0`, `vars/1`, ...

HDF5 can point to other files (external links, external and virtual storage) and at itself; a file
that does is refused before any array is read. No model is ever built from a file's configuration.
What cannot be promised is what the HDF5 library itself does with a file made to break it: versions
up to 1.14.6 can loop for ever or write out of bounds. Open such files in a process of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from math import prod

import h5py
import numpy as np

from weights_converter.dtypes import Array, decode, is_shape, tag_of
from weights_converter.errors import ConverterError, UsageError, legible
from weights_converter.formats.names import check_name
from weights_converter.formats.source import Source
from weights_converter.tensor import Checkpoint, Tensor

BF16_MARK = "bfloat16"  # Keras stores the two bytes as opaque and says so in an attribute
NAME = re.compile(r"(?:.*/)?vars/\d+")
_OPTIMIZER = "optimizer/"
_FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}
_MOST_OBJECTS = 200_000
_FREE_CHUNK = 1 << 24  # bytes; a larger chunk may not exceed its array
_HDF5_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError, OverflowError)


def read_keras(source: Source, key: str | None) -> Checkpoint:
    """Every array of the layers; an array's name is its path in the file.

    Raises:
        RefusedError: the file links to something, is a legacy model file, or has objects that
            Keras does not write.
        DamagedError: HDF5 cannot read it.
    """
    if key is not None:
        raise UsageError(f"{source.name} holds one set of arrays: there is no key to choose from")
    with _hdf5(source) as file:
        if "layer_names" in file.attrs or "model_weights" in file:
            raise source.unsupported(
                "is a legacy Keras file", "load it in Keras and save_weights('name.weights.h5')"
            )
        tensors = dict(_tensors(source, file))
        metadata = {name: text for name, text in file.attrs.items() if isinstance(text, str)}
    notes: tuple[str, ...] = ()
    kept = {name: t for name, t in tensors.items() if not name.startswith(_OPTIMIZER)}
    if len(kept) < len(tensors):
        notes = (f"left out {len(tensors) - len(kept)} arrays of the optimizer",)
    return Checkpoint(source.path, "keras-h5", "keras", kept, metadata, {}, notes)


@contextmanager
def _hdf5(source: Source) -> Iterator[h5py.File]:
    """The open file. HDF5 reports corruption by almost any exception; here it is one."""
    source.open().close()  # the file that was inspected, or an error
    try:
        with h5py.File(source.path, "r") as file:
            yield file
    except ConverterError:
        raise
    except _HDF5_ERRORS as error:
        reason = legible(str(error).partition("\n")[0])
        raise source.damaged(f"HDF5 cannot read it: {reason}") from error


def _tensors(source: Source, file: h5py.File) -> Iterator[tuple[str, Tensor]]:
    """Walks the groups; the arrays of a group come in the order of their numbers."""
    seen: set[int] = set()
    groups = [("", file)]
    for _ in range(_MOST_OBJECTS):
        if not groups:
            return
        path, group = groups.pop()
        address = h5py.h5o.get_info(group.id).addr
        if address in seen:
            raise source.refused(f"the group {legible(path or '/')} is linked twice")
        seen.add(address)
        children = [(_joined(path, name), _child(source, group, name)) for name in group]
        groups += [child for child in reversed(children) if isinstance(child[1], h5py.Group)]
        for name, child in sorted(children, key=lambda child: (len(child[0]), child[0])):
            if isinstance(child, h5py.Dataset):
                yield name, _tensor(source, check_name(source, name), child)
    raise source.refused(f"it has more than {_MOST_OBJECTS} groups")


def _joined(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


def _child(source: Source, group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset:
    shown = legible(f"{group.name.rstrip('/')}/{name}")
    link = group.get(name, getlink=True)
    if type(link) is not h5py.HardLink:
        raise source.refused(f"{shown} is an {type(link).__name__}, not an object of the file")
    if group.get(name, getclass=True) not in (h5py.Group, h5py.Dataset):
        raise source.refused(f"{shown} is neither a group nor an array")
    return group[name]


def _tensor(source: Source, name: str, dataset: h5py.Dataset) -> Tensor:
    shown = legible(name)
    if not NAME.fullmatch(name):
        raise source.refused(f"it has an array {shown}, which is not one of a layer's variables")
    _check_storage(source, shown, dataset)
    tag = _tag(dataset)
    if tag is None:
        raise source.refused(f"{shown} has elements of type {legible(str(dataset.dtype))}")
    return Tensor(name, tag, dataset.shape, partial(_load, source, name, tag))


def _check_storage(source: Source, shown: str, dataset: h5py.Dataset) -> None:
    if dataset.external:
        raise source.refused(f"{shown} is stored in other files")
    if dataset.is_virtual:
        raise source.refused(f"{shown} is made of other arrays")
    properties = dataset.id.get_create_plist()
    filters = {properties.get_filter(i)[0] for i in range(properties.get_nfilters())}
    if filters - _FILTERS:
        raise source.refused(f"{shown} needs the HDF5 filters {sorted(filters - _FILTERS)}")
    if type(dataset.shape) is not tuple or not is_shape(dataset.shape):
        raise source.refused(f"{shown} has an odd shape")
    chunk = prod(dataset.chunks or ()) * dataset.dtype.itemsize
    if chunk > max(_FREE_CHUNK, dataset.nbytes):
        raise source.refused(f"{shown} is stored in chunks of {chunk} bytes")


def _tag(dataset: h5py.Dataset) -> str | None:
    if dataset.dtype == np.dtype("V2") and dataset.attrs.get("dtype") == BF16_MARK:
        return "BF16"
    if h5py.check_enum_dtype(dataset.dtype) is not None:
        return None  # an int8 to NumPy, unless it is HDF5's way to store booleans
    return tag_of(dataset.dtype)


def _load(source: Source, name: str, tag: str) -> Array:
    with _hdf5(source) as file:
        array = np.asarray(file[name][()])
    little = array.astype(array.dtype.newbyteorder("<"), order="C")
    try:
        flat = decode(little.reshape(-1).view(np.uint8), tag)
    except ValueError as error:
        raise source.refused(f"{legible(name)} {error}") from None
    return flat.reshape(array.shape)
