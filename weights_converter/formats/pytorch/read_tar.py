"""Reads the tar archives that `torch.save` wrote before 0.1.10, and that are still downloaded.

`torch.load` unpacks them into a folder, and not at all under `weights_only=True`. Here the three
members are read where they are. What torch.load does is the only description of the format:
https://github.com/pytorch/pytorch/blob/main/torch/serialization.py
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from weights_converter.arrays.dtypes import Array
from weights_converter.arrays.tensor import Checkpoint
from weights_converter.errors import legible
from weights_converter.formats.archives.tar_read import Member, members
from weights_converter.formats.files.source import Source
from weights_converter.formats.pickles.machine import Machine
from weights_converter.formats.pickles.placeholders import refuse_placeholders
from weights_converter.formats.pickles.stream import Stream
from weights_converter.formats.pickles.values import BadCall, Global
from weights_converter.formats.pytorch.calls import (
    TENSOR_NAMES,
    TORCH,
    storage_of,
    storage_view,
    view_of,
)
from weights_converter.formats.pytorch.checkpoint import checkpoint
from weights_converter.formats.pytorch.views import Storage, View, elements

_MEMBERS = ("storages", "tensors", "pickle")
_MOST_AXES = 32
_AXES, _SIZE = struct.Struct("<i4x"), struct.Struct("<q")


def read_tar(source: Source, key: str | None) -> Checkpoint:
    """The state dict in the archive; a storage is read when its tensor is loaded.

    Raises:
        RefusedError: the archive or one of its pickles is not what torch made.
        DamagedError: it is truncated, or something is missing.
    """
    found = members(source)
    if set(found) - {*_MEMBERS, "sys_info"}:
        other = min(set(found) - {*_MEMBERS, "sys_info"})
        raise source.unsupported(
            f"is a tar archive with {legible(other)}, not a torch file",
            "unpack it and name the weights file",
        )
    if missing := [name for name in _MEMBERS if name not in found]:
        raise source.damaged(f"its archive lacks {', '.join(missing)}")
    tensors = _Tensors(source, found)
    content = tensors.pickle(found["pickle"])
    return checkpoint(source, "torch-tar", content, tensors.load, key, {})


class _Tensors:
    """What the members `storages` and `tensors` describe, by the numbers that torch gave."""

    def __init__(self, source: Source, found: dict[str, Member]) -> None:
        self._source = source
        self._places: dict[str, int] = {}
        # By the text of its number: a file must not choose the hashes of keys.
        self._storages: dict[str, Storage] = {}
        self._views: dict[str, View] = {}
        self._each(found["storages"], self._add_storage, self._add_parts)
        self._each(found["tensors"], self._add_view, lambda stream: None)

    def load(self, name: str, view: View) -> Array:
        return elements(self._source, name, view, self._places[view.storage.key])

    def pickle(self, member: Member) -> object:
        with self._source.kept() as handle:
            stream = Stream(self._source, handle, member.start, member.end)
            return Machine(stream, TORCH, self._refer).run()

    def _each(
        self,
        member: Member,
        add: Callable[[Stream, object], None],
        finish: Callable[[Stream], None],
    ) -> None:
        """Runs `add` for each of the things that the member counts at its start."""
        with self._source.kept() as handle:
            stream = Stream(self._source, handle, member.start, member.end)
            count = self._run(stream)
            if type(count) is not int or count < 0:
                raise self._source.damaged("it does not count its tensors")
            for _ in range(count):  # each takes bytes, of which there is an end
                try:
                    add(stream, self._run(stream))
                except BadCall as bad:
                    raise self._source.refused(f"it has a tensor or a storage {bad}") from None
            finish(stream)
            if stream.left:
                raise self._source.refused(f"{stream.left} bytes follow its last tensor")

    def _run(self, stream: Stream) -> object:
        value = Machine(stream, TORCH).run(alone=False)
        refuse_placeholders(self._source, [value])
        return value

    def _add_storage(self, stream: Stream, header: object) -> None:
        """(key, device, class), the number of elements, the elements"""
        if type(header) is not tuple or len(header) != 3 or not _is_key(header[0]):
            raise BadCall("in an odd way")
        key = str(header[0])
        if key in self._storages:
            raise BadCall(f"{key} twice")
        count = stream.number(_SIZE)
        storage = storage_of(("storage", header[2], key, header[1], count))
        if storage.nbytes > stream.left:
            raise self._source.truncated(f"storage {legible(key)!r} needs {storage.nbytes} bytes")
        self._places[key] = stream.skip(storage.nbytes)
        self._storages[key] = storage

    def _add_parts(self, stream: Stream) -> None:
        """[(key of the part, key of the whole, offset, number of elements), ...]"""
        parts = self._run(stream)
        if not isinstance(parts, list):
            raise self._source.damaged("it does not list the parts of its storages")
        for part in parts:
            if type(part) is not tuple or len(part) != 4 or not all(map(_is_key, part[:2])):
                raise self._source.refused("it has a part of a storage in an odd way")
            name, whole = map(str, part[:2])
            if name in self._storages or whole not in self._storages:
                raise self._source.refused("it has a part of a storage twice, or of none")
            try:
                self._storages[name] = storage_view(self._storages[whole], *part[2:])
            except BadCall as bad:
                raise self._source.refused(f"it has a storage {bad}") from None

    def _add_view(self, stream: Stream, header: object) -> None:
        """(key, key of the storage, class), axes, sizes, strides, offset"""
        if type(header) is not tuple or len(header) != 3 or not all(map(_is_key, header[:2])):
            raise BadCall("in an odd way")
        key, storage_key, cls = str(header[0]), str(header[1]), header[2]
        if type(cls) is not Global or cls.name not in TENSOR_NAMES:
            raise BadCall("of an unknown class")
        storage = self._storages.get(storage_key)
        axes = stream.number(_AXES)
        if not 0 <= axes <= _MOST_AXES or key in self._views or storage is None:
            raise BadCall("with too many axes, twice, or without data")
        shape = tuple(stream.number(_SIZE) for _ in range(axes))
        strides = tuple(stream.number(_SIZE) for _ in range(axes))
        self._views[key] = view_of(storage, storage.tag, (stream.number(_SIZE), shape, strides))

    def _refer(self, reference: object) -> object:
        """Answers a persistent id: a tensor's key, or a module's class with its source code."""
        if type(reference) is tuple and len(reference) == 3 and type(reference[0]) is Global:
            return reference[0]
        if not _is_key(reference) or str(reference) not in self._views:
            raise BadCall("that is not among its tensors")
        return self._views[str(reference)]


def _is_key(value: object) -> bool:
    return type(value) in (int, str)
