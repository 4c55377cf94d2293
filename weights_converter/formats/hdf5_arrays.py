"""The arrays of an HDF5 file, found without following anything that leads out of it.

HDF5 can point to other files (external links, external and virtual storage) and at itself; a file
that does is refused before any array is read. What cannot be promised is what the HDF5 library
itself does with a file made to break it: versions up to 1.14.6 can loop for ever or write out of
bounds. `weights_converter.formats.isolated` reads such a file in a process of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import prod

import h5py
import numpy as np

from weights_converter.dtypes import Array, decode, is_shape, tag_of
from weights_converter.errors import legible
from weights_converter.formats.h5_text import text_attribute
from weights_converter.formats.hdf5_chunks import FILTERS, check_chunks
from weights_converter.formats.hdf5_file import Hdf5
from weights_converter.formats.names import check_name
from weights_converter.formats.source import Source
from weights_converter.tensor import Tensor

BF16_MARK = "bfloat16"  # Keras stores the two bytes as opaque and says so in an attribute
_MOST_OBJECTS = 200_000
_FREE_CHUNK = 1 << 24  # bytes; a larger chunk may not exceed its array


def tensors(hdf5: Hdf5, file: h5py.File) -> dict[str, Tensor]:
    """Path in the file -> array, for all that a walk over the groups of the open `file` finds.

    Raises:
        RefusedError: the file links to something, or has objects that are no plain arrays.
    """
    found: dict[str, Tensor] = {}
    for path, dataset in _datasets(hdf5.source, file):
        if path in found:
            raise hdf5.source.refused(f"it has two arrays {legible(path)}")
        found[path] = _tensor(hdf5, check_name(hdf5.source, path), dataset)
    return found


def _datasets(source: Source, file: h5py.File) -> Iterator[tuple[str, h5py.Dataset]]:
    """Walks the groups; the arrays of a group come in the order of their numbers."""
    seen: set[int] = set()
    groups = [("", file)]
    room = _MOST_OBJECTS
    while groups:
        path, group = groups.pop()
        address = h5py.h5o.get_info(group.id).addr
        if address in seen:
            raise source.refused(f"the group {legible(path or '/')} is linked twice")
        seen.add(address)
        names = _names(source, group, room)
        room -= len(names)
        children = [(_joined(path, name), _child(source, group, name)) for name in names]
        groups += [child for child in reversed(children) if isinstance(child[1], h5py.Group)]
        for name, child in sorted(children, key=lambda child: (len(child[0]), child[0])):
            if isinstance(child, h5py.Dataset):
                yield name, child


def _names(source: Source, group: h5py.Group, room: int) -> list[str]:
    """The names in the group, which a table that repeats itself could make endless."""
    names: list[bytes] = []

    def enough(name: bytes) -> bool | None:
        names.append(name)
        return True if len(names) > room else None  # anything but None ends the iteration

    group.id.links.iterate(enough)
    if len(names) > room:
        raise source.refused(f"it has more than {_MOST_OBJECTS} groups and arrays")
    return [name.decode("utf-8") for name in names]


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


def _tensor(hdf5: Hdf5, path: str, dataset: h5py.Dataset) -> Tensor:
    shown = legible(path)
    _check_storage(hdf5.source, shown, dataset)
    tag = _tag(dataset)
    if tag is None:
        raise hdf5.source.refused(f"{shown} has elements of type {legible(str(dataset.dtype))}")
    return Tensor(path, tag, dataset.shape, partial(_load, hdf5, path, tag))


def _check_storage(source: Source, shown: str, dataset: h5py.Dataset) -> None:
    if dataset.external:
        raise source.refused(f"{shown} is stored in other files")
    if dataset.is_virtual:
        raise source.refused(f"{shown} is made of other arrays")
    properties = dataset.id.get_create_plist()
    filters = [properties.get_filter(i)[0] for i in range(properties.get_nfilters())]
    if set(filters) - FILTERS or len(filters) > len(set(filters)):
        raise source.refused(f"{shown} needs the HDF5 filters {sorted(filters)}")
    if type(dataset.shape) is not tuple or not is_shape(dataset.shape):
        raise source.refused(f"{shown} has an odd shape")
    chunk = prod(dataset.chunks or ()) * dataset.dtype.itemsize
    if chunk > max(_FREE_CHUNK, dataset.nbytes):
        raise source.refused(f"{shown} is stored in chunks of {chunk} bytes")


def _tag(dataset: h5py.Dataset) -> str | None:
    if dataset.dtype == np.dtype("V2") and text_attribute(dataset, "dtype") == BF16_MARK:
        return "BF16"
    if h5py.check_enum_dtype(dataset.dtype) is not None:
        return None  # an int8 to NumPy, unless it is HDF5's way to store booleans
    return tag_of(dataset.dtype)


def _load(hdf5: Hdf5, path: str, tag: str) -> Array:
    with hdf5.open() as file:
        dataset = file[path]
        check_chunks(hdf5, legible(path), dataset)
        array = np.asarray(dataset[()])
    little = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
    try:
        flat = decode(little.reshape(-1).view(np.uint8), tag)
    except ValueError as error:
        raise hdf5.source.refused(f"{legible(path)} {error}") from None
    return flat.reshape(array.shape)
