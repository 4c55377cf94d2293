"""Reads what `torch.save` writes since torch 1.6: a zip with one pickle and one entry per storage.

https://docs.pytorch.org/docs/stable/notes/serialization.html
"""

from __future__ import annotations

import zlib
from functools import partial

import numpy as np
from numpy.typing import NDArray

from weights_converter.arrays.dtypes import Array
from weights_converter.arrays.tensor import Checkpoint
from weights_converter.errors import legible
from weights_converter.formats.archives import zip_content, zip_read
from weights_converter.formats.archives.zip_read import Entry
from weights_converter.formats.files.source import Source
from weights_converter.formats.files.strict_json import json_object
from weights_converter.formats.pickles.machine import Machine
from weights_converter.formats.pickles.stream import Stream
from weights_converter.formats.pickles.values import BadCall
from weights_converter.formats.pytorch.calls import TORCH, storage_of
from weights_converter.formats.pytorch.checkpoint import checkpoint
from weights_converter.formats.pytorch.views import Storage, View, elements

METADATA = "extra/metadata.json"  # `extra/` is where torch keeps a user's own files
_LONGEST_METADATA = 1 << 20


def read_torch(source: Source, key: str | None) -> Checkpoint:
    """The state dict in the archive; a storage is read and checked when its tensor is loaded.

    Raises:
        RefusedError: the archive or its pickle is not what torch.save makes of a checkpoint.
        DamagedError: something is missing.
    """
    archive = _Archive(source)
    return checkpoint(source, "torch", archive.pickle(), archive.load, key, archive.metadata())


class _Archive:
    """One file by torch.save."""

    def __init__(self, source: Source) -> None:
        self._source = source
        entries = zip_read.directory(source)
        _check_purpose(source, {entry.name for entry in entries})
        self._entries = zip_read.located(source, entries)
        self._big_endian = self._byte_order() == b"big"
        self._intact: set[str] = set()

    def pickle(self) -> object:
        """What the pickle stands for, with views of storages for tensors."""
        entry = self._checked("data.pkl")
        with self._source.kept() as handle:
            stream = Stream(self._source, handle, entry.data, entry.data + entry.size)
            return Machine(stream, TORCH, self._storage).run()

    def load(self, name: str, view: View) -> Array:
        key = f"data/{view.storage.key}"
        read = partial(self._read, key)
        return elements(self._source, name, view, self._entry(key).data, self._big_endian, read)

    def _read(self, key: str, start: int, length: int) -> NDArray[np.uint8]:
        """Bytes of an entry. What is read as a whole, as most are, is read once for both uses."""
        entry = self._entry(key)
        if key in self._intact or length != entry.size:
            self._checked(key)
            return self._source.array(start, length)
        raw = self._source.array(start, length)
        zip_content.compare_sum(self._source, key, entry, zlib.crc32(raw.data))
        self._intact.add(key)
        return raw

    def metadata(self) -> dict[str, str]:
        """The text that this package stored beside the state dict."""
        entry = self._entries.get(METADATA)
        if entry is None or entry.size > _LONGEST_METADATA:
            return {}
        self._checked(METADATA)
        raw = self._source.read(entry.data, entry.size)
        content = json_object(self._source, raw, f"entry {METADATA}")
        if not all(type(text) is str for text in content.values()):
            raise self._source.damaged(f"its entry {METADATA} does not map names to text")
        return {name: str(text) for name, text in content.items()}

    def _storage(self, reference: object) -> Storage:
        if type(reference) is tuple and len(reference) > 5:
            raise BadCall("in an odd way")  # views of storages are older than archives
        storage = storage_of(reference)
        entry = self._entry(f"data/{storage.key}")
        if entry.size != storage.nbytes:
            raise BadCall(
                f"{storage.key} of {storage.nbytes} bytes, but its entry has {entry.size}"
            )
        return storage

    def _entry(self, name: str) -> Entry:
        if name not in self._entries:
            raise self._source.damaged(f"its entry {legible(name)!r} is missing")
        return self._entries[name]

    def _checked(self, name: str) -> Entry:
        entry = self._entry(name)
        if name not in self._intact:
            zip_content.check_sum(self._source, name, entry)
            self._intact.add(name)
        return entry

    def _byte_order(self) -> bytes:
        entry = self._entries.get("byteorder")
        if entry is None:
            return b"little"  # torch before 2.0 does not say; it ran on little machines
        order = self._source.read(entry.data, entry.size) if entry.size < 8 else b""
        if order not in (b"little", b"big"):
            raise self._source.damaged("its entry 'byteorder' is neither little nor big")
        return order


def _check_purpose(source: Source, names: set[str]) -> None:
    """Raises an error that names the archive, if it is a well-known one of another kind."""
    files = {name.partition("/")[2] for name in names}
    if "constants.pkl" in files:
        raise source.unsupported(
            "is a TorchScript archive",
            "save its weights: torch.save(torch.jit.load(path).state_dict(), ...)",
        )
    if "data.pkl" not in files:
        raise source.unsupported("is a zip archive that torch.save did not write")
