"""Reads what `torch.save` writes since torch 1.6: a zip with one pickle and one entry per storage.

https://docs.pytorch.org/docs/stable/notes/serialization.html
"""

from __future__ import annotations

import json
import zlib
from functools import partial

import numpy as np
from numpy.lib.stride_tricks import as_strided

from weights_converter.dtypes import CARRIERS, Array, decode, itemsize
from weights_converter.errors import DamagedError, legible
from weights_converter.formats import state_dict, zip_read
from weights_converter.formats.pickle_machine import Machine
from weights_converter.formats.pickle_stream import Stream
from weights_converter.formats.pickle_values import BadCall
from weights_converter.formats.source import CHUNK, Source
from weights_converter.formats.torch_calls import TORCH, Storage, View, storage_of
from weights_converter.formats.zip_read import Entry
from weights_converter.tensor import Checkpoint, Tensor

METADATA = "extra/metadata.json"  # `extra/` is where torch keeps a user's own files
_LONGEST_METADATA = 1 << 20


def read_torch(source: Source, key: str | None) -> Checkpoint:
    """The state dict in the archive; a storage is read and checked when its tensor is loaded.

    Raises:
        RefusedError: the archive or its pickle is not what torch.save makes of a checkpoint.
        DamagedError: something is missing.
    """
    archive = _Archive(source)
    found = state_dict.find(source, archive.content(), lambda value: type(value) is View, key)
    tensors = {
        name: Tensor(name, view.tag, view.shape, partial(archive.load, name, view))
        for name, view in found.values.items()
        if isinstance(view, View)
    }
    return Checkpoint(
        source.path, "torch", "torch", tensors, archive.metadata(), found.scalars, found.notes
    )


class _Archive:
    """One file by torch.save."""

    def __init__(self, source: Source) -> None:
        self._source = source
        entries = zip_read.directory(source)
        _check_purpose(source, {entry.name for entry in entries})
        self._entries = zip_read.located(source, entries)
        self._big_endian = self._byte_order() == b"big"
        self._intact: set[str] = set()

    def content(self) -> object:
        """What the pickle of the archive stands for, with views of storages for tensors."""
        entry = self._entry("data.pkl")
        self._check_sum("data.pkl", entry)
        with self._source.open() as handle:
            stream = Stream(self._source, handle, entry.data, entry.data + entry.size)
            return Machine(stream, TORCH, self._storage).run()

    def load(self, name: str, view: View) -> Array:
        entry_name = f"data/{view.storage.key}"
        entry = self._entry(entry_name)
        self._check_sum(entry_name, entry)
        if not view.extent:
            return np.empty(view.shape, CARRIERS[view.tag])
        size = itemsize(view.tag)
        raw = self._source.array(entry.data + view.offset * size, view.extent * size)
        try:
            flat = decode(raw, view.tag, self._big_endian)
        except ValueError as error:
            raise self._source.refused(f"{legible(name)} {error}") from None
        return _gathered(flat, view)

    def metadata(self) -> dict[str, str]:
        """The text that this package stored beside the state dict."""
        entry = self._entries.get(METADATA)
        if entry is None or entry.size > _LONGEST_METADATA:
            return {}
        self._check_sum(METADATA, entry)
        raw = self._source.read(entry.data, entry.size)
        try:
            content = json.loads(raw)
        except (ValueError, RecursionError):
            raise self._source.damaged(f"its entry {METADATA} is not JSON") from None
        if type(content) is not dict or not all(type(text) is str for text in content.values()):
            raise self._source.damaged(f"its entry {METADATA} does not map names to text")
        return content

    def _storage(self, reference: object) -> Storage:
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

    def _byte_order(self) -> bytes:
        entry = self._entries.get("byteorder")
        if entry is None:
            return b"little"  # torch before 2.0 does not say; it ran on little machines
        order = self._source.read(entry.data, entry.size) if entry.size < 8 else b""
        if order not in (b"little", b"big"):
            raise self._source.damaged("its entry 'byteorder' is neither little nor big")
        return order

    def _check_sum(self, name: str, entry: Entry) -> None:
        """torch.load never compares checksums; a flipped bit would go unnoticed."""
        if entry.crc == 0 or name in self._intact:
            return  # torch.serialization.set_crc32_options(False) leaves them out
        crc = 0
        for start in range(0, entry.size, CHUNK):
            length = min(CHUNK, entry.size - start)
            crc = zlib.crc32(self._source.read(entry.data + start, length), crc)
        if crc != entry.crc:
            raise DamagedError(
                f"{self._source.name}: checksum of {legible(name)!r} does not match (file damaged)",
                "get it again from where it is from",
            )
        self._intact.add(name)


def _gathered(flat: Array, view: View) -> Array:
    """The elements that a view picks from `flat`, which starts at its first one."""
    steps = zip(view.shape, view.strides, strict=True)
    # The stride of an axis of size one is never used, and may be any number.
    strides = [stride * flat.itemsize if size > 1 else 0 for size, stride in steps]
    picked = as_strided(flat, view.shape, strides, writeable=False)
    return np.array(picked, order="C")


def _check_purpose(source: Source, names: set[str]) -> None:
    """Raises an error that names the archive, if it is a well-known one of another kind."""
    files = {name.partition("/")[2] for name in names}
    if "constants.pkl" in files:
        raise source.unsupported(
            "is a TorchScript archive",
            "save its weights: torch.save(torch.jit.load(path).state_dict(), ...)",
        )
    if "model.weights.h5" in names:
        raise source.unsupported(
            "is a whole Keras model",
            "save its weights alone: model.save_weights('name.weights.h5')",
        )
    if names and all(name.endswith(".npy") for name in names):
        raise source.unsupported("is an .npz archive", "convert from a framework's own format")
    if "data.pkl" not in files:
        raise source.unsupported("is a zip archive that torch.save did not write")
