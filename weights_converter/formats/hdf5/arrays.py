"""The arrays of an HDF5 file, found without following anything that leads out of it.

HDF5 can point to other files (external links, external and virtual storage) and at itself; a file
that does is refused before any array is read. What cannot be promised is what the HDF5 library
itself does with a file made to break it: versions up to 1.14.6 can loop for ever or write out of
bounds. `weights_converter.formats.isolated.reader` reads such a file in a process of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from math import prod
from typing import Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray

from weights_converter.arrays.dtypes import Array, decode, is_shape, itemsize, tag_of
from weights_converter.arrays.tensor import Tensor
from weights_converter.errors import legible
from weights_converter.formats.files.array_names import check_name
from weights_converter.formats.files.source import Source
from weights_converter.formats.hdf5.chunks import FILTERS, charge_chunks, check_chunks
from weights_converter.formats.hdf5.file import Hdf5
from weights_converter.formats.hdf5.text import text_attribute

BF16_MARK = "bfloat16"  # Keras stores the two bytes as opaque and says so in an attribute
_LINKS: Final[Mapping[int, str]] = {
    h5py.h5l.TYPE_SOFT: "a SoftLink",
    h5py.h5l.TYPE_EXTERNAL: "an ExternalLink",
}
_OF_A_NAME, _OF_A_GROUP, _OF_AN_ARRAY = 4, 32, 16  # objects; an open group takes 2 KB


def tensors(hdf5: Hdf5, file: h5py.File) -> dict[str, Tensor]:
    """Path in the file -> array, for all that a walk over the groups of the open `file` finds.

    Raises:
        RefusedError: the file links to something, or has objects that are no plain arrays.
    """
    found: dict[str, Tensor] = {}
    for path, dataset in _datasets(hdf5, file):
        if path in found:
            raise hdf5.source.refused(f"it has two arrays {legible(path)}")
        found[path] = _tensor(hdf5, path, dataset)
    return found


def _datasets(hdf5: Hdf5, file: h5py.File) -> Iterator[tuple[str, h5py.Dataset]]:
    """Walks the groups; the arrays of a group come in the order of their numbers.

    One array is open at a time: HDF5 takes 12 KB for it.
    """
    seen = {h5py.h5o.get_info(file.id).addr}
    groups = [("", h5py.Group(h5py.h5g.open(file.id, b"/")))]
    while groups:
        path, group = groups.pop()
        inner: list[tuple[str, h5py.Group]] = []
        for name, address in _members(hdf5, group):
            inside = check_name(hdf5.source, f"{path}/{name}" if path else name)
            child = _child(hdf5.source, group, name)
            is_group = isinstance(child, h5py.Group)
            if address in seen:
                kind = "group" if is_group else "array"
                raise hdf5.source.refused(f"the {kind} {legible(inside)} is linked twice")
            seen.add(address)
            if is_group:
                hdf5.source.budget.charge_objects(_OF_A_GROUP, text=len(inside))
                inner.append((inside, child))
            else:
                yield inside, child
        groups += sorted(inner, key=lambda child: child[0], reverse=True)


def _members(hdf5: Hdf5, group: h5py.Group) -> list[tuple[str, int]]:
    """(name, address) of what is in the group; a table that repeats itself could be endless."""
    found: list[tuple[bytes, int, int]] = []
    room = hdf5.size  # an honest file has each name once, and a zero after it

    def enough(name: bytes, link: h5py.h5l.LinkInfo) -> bool | None:
        nonlocal room
        room -= len(name) + 1
        found.append((name, link.type, link.u))
        return True if room < 0 else None  # anything but None ends the iteration

    # In any other order the library makes a list of them all first.
    group.id.links.iterate(enough, info=True, order=h5py.h5.ITER_NATIVE)
    if room < 0:
        raise hdf5.source.refused(f"the names in a group are longer than its {hdf5.size} bytes")
    hdf5.source.budget.charge_objects(_OF_A_NAME * len(found))
    for name, kind, _ in found:
        if kind != h5py.h5l.TYPE_HARD:
            what = _LINKS.get(kind, "a link of an unknown kind")
            shown = _shown(group, name.decode("utf-8"))
            raise hdf5.source.refused(f"{shown} is {what}, not an object of the file")
    members = [(name.decode("utf-8"), address) for name, _, address in found]
    return sorted(members, key=lambda member: (len(member[0]), member[0]))


def _child(source: Source, group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset:
    found = h5py.h5o.open(group.id, name.encode("utf-8"))
    if isinstance(found, h5py.h5g.GroupID):
        return h5py.Group(found)
    if isinstance(found, h5py.h5d.DatasetID):
        return h5py.Dataset(found)
    raise source.refused(f"{_shown(group, name)} is neither a group nor an array")


def _shown(group: h5py.Group, name: str) -> str:
    return legible(f"{group.name.rstrip('/')}/{name}")


def _tensor(hdf5: Hdf5, path: str, dataset: h5py.Dataset) -> Tensor:
    shown = legible(path)
    hdf5.source.budget.charge_objects(_OF_AN_ARRAY, text=len(path))
    _check_storage(hdf5.source, shown, dataset)
    shape, dtype = dataset.shape, dataset.dtype  # each is made anew when it is asked for
    tag = _tag(hdf5, dataset, dtype)
    if tag is None:
        raise hdf5.source.refused(f"{shown} has elements of type {legible(str(dtype))}")
    place = _place(dataset, prod(shape) * itemsize(tag), dtype)
    if place is None:
        return Tensor(path, tag, shape, partial(_assembled, hdf5, path, tag))
    load = partial(_in_one_piece, hdf5, path, tag, shape, place, dtype.str[0] == ">")
    return Tensor(path, tag, shape, load)


def _place(dataset: h5py.Dataset, nbytes: int, dtype: np.dtype[Any]) -> int | None:
    """Where the bytes of the array are, in their order; None if HDF5 has to assemble them."""
    native = h5py.h5t.py_create(dtype, logical=True)
    if dataset.id.get_storage_size() != nbytes or dataset.id.get_type() != native:
        return None
    place: int | None = dataset.id.get_offset()  # of an array in chunks there is none
    return place


def _check_storage(source: Source, shown: str, dataset: h5py.Dataset) -> None:
    properties = dataset.id.get_create_plist()
    layout = properties.get_layout()
    if properties.get_external_count():
        raise source.refused(f"{shown} is stored in other files")
    if layout == h5py.h5d.VIRTUAL:
        raise source.refused(f"{shown} is made of other arrays")
    filters = [properties.get_filter(i)[0] for i in range(properties.get_nfilters())]
    if set(filters) - FILTERS or len(filters) > len(set(filters)):
        raise source.refused(f"{shown} needs the HDF5 filters {sorted(filters)}")
    shape = dataset.shape
    if type(shape) is not tuple or not is_shape(shape):
        raise source.refused(f"{shown} has an odd shape")
    if layout == h5py.h5d.CHUNKED:
        charge_chunks(source, shown, dataset)


def _tag(hdf5: Hdf5, dataset: h5py.Dataset, dtype: np.dtype[Any]) -> str | None:
    if dtype == np.dtype("V2") and text_attribute(hdf5, dataset, "dtype") == BF16_MARK:
        return "BF16"
    if dtype.kind == "c" or h5py.check_enum_dtype(dtype) is not None:
        return None  # a compound; an int8 to NumPy, unless it is HDF5's way to store booleans
    return tag_of(dtype)


def _in_one_piece(
    hdf5: Hdf5, path: str, tag: str, shape: tuple[int, ...], place: int, big_endian: bool
) -> Array:
    """An array as Keras stores all of them: no library is needed, and none can be misled."""
    raw = hdf5.array(place, prod(shape) * itemsize(tag))
    return _decoded(hdf5.source, path, raw, tag, big_endian).reshape(shape)


def _assembled(hdf5: Hdf5, path: str, tag: str) -> Array:
    with hdf5.open() as file:
        dataset = file[path]
        check_chunks(hdf5, legible(path), dataset)
        array = np.asarray(dataset[()])
    little = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
    flat = _decoded(hdf5.source, path, little.reshape(-1).view(np.uint8), tag)
    return flat.reshape(array.shape)


def _decoded(
    source: Source, path: str, raw: NDArray[np.uint8], tag: str, big_endian: bool = False
) -> Array:
    try:
        return decode(raw, tag, big_endian)
    except ValueError as error:
        raise source.refused(f"{legible(path)} {error}") from None
