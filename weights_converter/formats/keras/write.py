"""Writes `.weights.h5` as Keras 3 lays it out, so that `model.load_weights` reads it.

The HDF5 library writes into memory, and only what it keeps around the arrays: names, shapes, places
and metadata. Both go into the file without it, as a disk that is full ends its process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
from h5py import h5d, h5g, h5p, h5s, h5t

from weights_converter.arrays.dtypes import CARRIERS, COMPLEX, FLOAT8, Array
from weights_converter.arrays.tensor import TensorInfo
from weights_converter.errors import RefusedError, UsageError, legible
from weights_converter.formats.destinations.writer import RestingFile
from weights_converter.formats.hdf5.arrays import BF16_MARK
from weights_converter.formats.hdf5.sparse_memory import SparseMemory
from weights_converter.formats.keras.read import NAME

_UNKNOWN = FLOAT8 | COMPLEX


class KerasWriter:
    """One dataset per array under its name; metadata goes to the attributes of the root.

    Raises:
        UsageError: a name is not "path/vars/number", or leads through another array.
        RefusedError: Keras has no way to store an array's dtype.
    """

    def __init__(self, path: Path, tensors: Sequence[TensorInfo], draft: Mapping[str, str]) -> None:
        _check_names(tensors)
        for tensor in tensors:
            if tensor.dtype in _UNKNOWN:
                raise RefusedError(f"{tensor.name}: a .weights.h5 file cannot hold {tensor.dtype}")
        self._file = RestingFile(path)
        self._memory = SparseMemory()
        self._structure = h5py.File(self._memory, "w")
        self._folders: dict[str, h5g.GroupID] = {"": self._structure["/"].id}
        self._arrays: list[tuple[int, int]] = []  # where each starts and ends in the file

    def add(self, tensor: TensorInfo, array: Array) -> None:
        offset = _create(*self._place_of(tensor.name), tensor)
        if offset is not None:  # an empty array has no place
            self._arrays.append((offset, offset + array.nbytes))
            self._write(offset, array.data)

    def rest(self) -> None:
        self._file.rest()

    def close(self, metadata: Mapping[str, str]) -> None:
        for name in sorted(metadata):
            self._structure.attrs[name] = metadata[name]
        self._structure.close()
        place = 0
        size = self._memory.seek(0, 2)
        for start, end in [*sorted(self._arrays), (size, size)]:
            self._memory.seek(place)
            self._write(place, self._memory.read(start - place))
            place = end
        self._file.rest()

    def abandon(self) -> None:
        self._structure.close()
        self._file.abandon()

    def _place_of(self, name: str) -> tuple[h5g.GroupID, bytes]:
        """The group that the array belongs to, and its name there."""
        *folders, number = name.split("/")
        path, group = "", self._folders[""]
        for folder in folders:
            path += f"/{folder}"
            if path not in self._folders:  # HDF5 takes longer to look it up
                self._folders[path] = h5g.create(group, folder.encode())
            group = self._folders[path]
        return group, number.encode()

    def _write(self, offset: int, data: bytes | memoryview) -> None:
        handle = self._file.open()
        handle.seek(offset)
        handle.write(data)


def _check_names(tensors: Sequence[TensorInfo]) -> None:
    for tensor in tensors:
        name = tensor.name
        odd = {"", ".", ".."} & set(name.split("/")) or not _is_storable(name)
        if odd or not NAME.fullmatch(name):
            raise UsageError(
                f"{legible(name)} is not the name of a Keras variable",
                "expected path/vars/number, for example layer1/0/conv1/vars/0",
            )
    paths = sorted(tensor.name.split("/") for tensor in tensors)
    for first, second in pairwise(paths):
        if second[: len(first)] == first:
            array, inner = legible("/".join(first)), legible("/".join(second))
            raise UsageError(f"{array} is an array, so there is no place for {inner} in it")


def _is_storable(name: str) -> bool:
    """Whether HDF5 can have the name: it stores UTF-8 and ends a name at a NUL."""
    try:
        return b"\0" not in name.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False


def _create(group: h5g.GroupID, name: bytes, tensor: TensorInfo) -> int | None:
    """Makes a dataset whose values are written by others. Returns where they belong."""
    options = h5p.create(h5p.DATASET_CREATE)
    options.set_alloc_time(h5d.ALLOC_TIME_EARLY)
    options.set_fill_time(h5d.FILL_TIME_NEVER)
    options.set_obj_track_times(False)  # so that the same arrays make the same bytes
    dtype = np.dtype("V2") if tensor.dtype == "BF16" else CARRIERS[tensor.dtype]
    kind = h5t.py_create(dtype, logical=True)  # as `create_dataset` does
    space = h5s.create_simple(tensor.shape)
    dataset = h5d.create(group, name, kind, space, options)
    if tensor.dtype == "BF16":
        h5py.Dataset(dataset).attrs["dtype"] = BF16_MARK
    offset: int | None = dataset.get_offset()
    return offset
