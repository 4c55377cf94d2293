"""Reads the stream that `torch.save` wrote from 0.1.10 to 1.5, and writes on request until today.

Five pickles one after the other (magic number, version, system, content, keys of the storages),
then for each storage its number of elements and its data.
https://github.com/pytorch/pytorch/blob/main/torch/serialization.py
"""

from __future__ import annotations

import struct
from functools import partial

from weights_converter.arrays.dtypes import Array, itemsize
from weights_converter.arrays.tensor import Checkpoint
from weights_converter.errors import legible
from weights_converter.formats.files.source import Source
from weights_converter.formats.pickles.machine import Machine
from weights_converter.formats.pickles.stream import Stream
from weights_converter.formats.pickles.values import BadCall, Global
from weights_converter.formats.pytorch.calls import TORCH, storage_of, storage_view
from weights_converter.formats.pytorch.checkpoint import checkpoint
from weights_converter.formats.pytorch.views import Storage, View, elements

_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001
_COUNT = struct.Struct("<q")


def read_legacy(source: Source, key: str | None) -> Checkpoint:
    """The state dict in the stream; a storage is read when its tensor is loaded.

    Raises:
        RefusedError: a pickle is not what torch.save makes of a checkpoint.
        DamagedError: the file is truncated, or a storage is missing.
    """
    storages = _Storages()
    with source.kept() as handle:
        stream = Stream(source, handle, 0, source.size)
        _check_start(source, stream)
        content = Machine(stream, TORCH, storages.refer).run(alone=False)
        keys = Machine(stream, TORCH).run(alone=False)
        places = _places(source, stream, keys, storages)
    load = partial(_load, source, places)
    return checkpoint(source, "torch-legacy", content, load, key, {})


def _check_start(source: Source, stream: Stream) -> None:
    """The third pickle tells of the machine. Its byte order does not matter: data is little."""
    if Machine(stream, TORCH).run(alone=False) != _MAGIC:
        raise source.damaged("its magic number is not torch's")
    if Machine(stream, TORCH).run(alone=False) != _VERSION:
        raise source.unsupported("is a torch file of an unknown version")
    if not isinstance(Machine(stream, TORCH).run(alone=False), dict):
        raise source.damaged("it does not tell which system wrote it")


class _Storages:
    """Those that the pickle refers to, by key."""

    def __init__(self) -> None:
        self.by_key: dict[str, Storage] = {}

    def refer(self, reference: object) -> object:
        """Answers a persistent id.

        Raises:
            BadCall: it is neither that of a storage nor that of a module's class.
        """
        if type(reference) is tuple and len(reference) == 4 and reference[0] == "module":
            if type(reference[1]) is not Global:
                raise BadCall("in an odd way")
            return reference[1]  # with the class came its source code
        storage = storage_of(reference)
        if self.by_key.setdefault(storage.key, storage) != storage:
            raise BadCall(f"{storage.key} of two sizes or types")
        return _part(storage, reference)


def _part(storage: Storage, reference: object) -> Storage:
    view = reference[5] if isinstance(reference, tuple) and len(reference) == 6 else None
    if view is None:
        return storage
    if type(view) is not tuple or len(view) != 3:
        raise BadCall("with an odd view of it")
    return storage_view(storage, view[1], view[2])


def _places(source: Source, stream: Stream, keys: object, storages: _Storages) -> dict[str, int]:
    """Where in the file the data of each storage is."""
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise source.damaged("it does not list its storages")
    places: dict[str, int] = {}
    for key in keys:
        storage = storages.by_key.get(key)
        if storage is None or key in places:
            raise source.refused(f"it lists a storage {legible(key)} that no tensor has, or twice")
        places[key] = _skip(source, stream, storage)
    missing = sorted(set(storages.by_key) - set(places))
    if missing:
        raise source.damaged(f"its storage {legible(missing[0])!r} is missing")
    if stream.left:
        raise source.refused(f"{stream.left} bytes follow its last storage")
    return places


def _skip(source: Source, stream: Stream, storage: Storage) -> int:
    count = stream.number(_COUNT)
    nbytes = count * itemsize(storage.tag)
    if nbytes != storage.nbytes:
        raise source.refused(
            f"the storage {legible(storage.key)!r} has {nbytes} bytes, its tensors were told "
            f"{storage.nbytes}"
        )
    if nbytes > stream.left:
        end = stream.position + nbytes
        raise source.truncated(f"storage {legible(storage.key)!r} ends at byte {end}")
    return stream.skip(nbytes)


def _load(source: Source, places: dict[str, int], name: str, view: View) -> Array:
    return elements(source, name, view, places[view.storage.key])
