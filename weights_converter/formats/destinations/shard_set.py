"""A set of files with an index: the old one stands until the new one is complete, and then goes.

The files of the new set get names that no file has. They are no checkpoint until the index names
them, so the index, which is swapped last, decides at one instant which set there is.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, count, repeat
from pathlib import Path
from typing import Final

from weights_converter.arrays.dtypes import Array
from weights_converter.arrays.tensor import TensorInfo
from weights_converter.errors import FileError, UsageError, legible
from weights_converter.formats.destinations.journal import Journal, clean_up
from weights_converter.formats.destinations.shard_format import Groups, ShardFormat
from weights_converter.formats.destinations.shard_groups import shard_groups
from weights_converter.formats.destinations.write_behind import WriteBehind
from weights_converter.formats.destinations.writer import MakeRestingWriter, RestingWriter
from weights_converter.formats.files.part import Part, folder_lock, place

_LONGEST_NAME: Final = 255  # bytes, on every usual file system
_LONGEST_TOKEN: Final = "0" * 8


class ShardSet:
    """A set of files of one format.

    Args:
        path: the index.
        format: how the set looks.
        make: makes the writer of each file.
        tensors: the arrays to come, in their order.
        draft: texts of the same names and lengths as the metadata.
        most_bytes: what the arrays of one file may take together.
        overwrite: whether the set may replace another.
        mode: permissions of the files, before the user's umask.
    """

    def __init__(
        self,
        path: Path,
        format: ShardFormat,
        make: MakeRestingWriter,
        tensors: Sequence[TensorInfo],
        draft: Mapping[str, str],
        most_bytes: int,
        overwrite: bool,
        mode: int,
    ) -> None:
        self._path, self._format, self._overwrite = path, format, overwrite
        self._groups = shard_groups(tensors, most_bytes)
        clean_up(path, format)
        self._refuse_names()
        self._mode = mode
        self._new: dict[str, Path] = {}
        self._index: Part | None = None
        self._journal = Journal(path, format, mode)
        try:
            self._files = [self._journal.new_file(n) for n in range(len(self._groups))]
            self._writer = WriteBehind(self._shards(make, draft), tensors)
        except BaseException:
            self._settle()
            raise

    def add(self, tensor: TensorInfo, array: Array) -> None:
        """Writes the next array."""
        self._writer.add(tensor, array)

    def close(self, metadata: Mapping[str, str]) -> Path:
        """Completes the files. The set can be read by the index whose path is returned."""
        self._writer.close(metadata)
        groups = self._named(metadata)
        self._new = dict(zip(groups, self._files, strict=True)) | self._placeholder(groups)
        self._journal.announce(self._new, ())
        for name, file in self._new.items():
            place(file, self._path.with_name(name), overwrite=False)
        self._new = {name: self._path.with_name(name) for name in self._new}
        self._index = Part(self._path, self._mode)
        self._index.path.write_text(self._format.index(groups, metadata), encoding="utf-8")
        return self._index.path

    def place(self) -> tuple[Path, ...]:
        """Puts the index into its place, and removes the old set. Returns what was written."""
        if self._index is None:
            raise RuntimeError("close the set before it is placed")
        with folder_lock(self._path.parent):
            # As it is now: another run may have replaced it since this one began.
            listed = self._format.listed(self._path) or ()
            old = [name for name in listed if self._format.may_be_ours(self._path, name)]
            self._journal.announce(self._new, old)
            self._index.place(self._path, self._overwrite)
            self._settle()
        return (*self._new.values(), self._path)

    def discard(self) -> None:
        """Removes what is of no complete set."""
        self._writer.abandon()
        self._settle()

    def _settle(self) -> None:
        if self._index is not None:
            self._index.discard()
        self._journal.settle()

    def _refuse_names(self) -> None:
        """Raises an error where a name is too long, or a file's that may not be replaced."""
        for name in self._format.names(self._path, _LONGEST_TOKEN, len(self._groups))[-1:]:
            if len(os.fsencode(name)) > _LONGEST_NAME:
                raise UsageError(
                    f"{legible(name)}: files of the set would have too long names",
                    "choose a shorter name",
                )
        for name in self._format.names(self._path, "", len(self._groups)):
            if not self._overwrite and os.path.lexists(self._path.with_name(name)):
                raise FileError(f"{legible(name)} exists already", "pass --overwrite to replace it")

    def _shards(self, make: MakeRestingWriter, draft: Mapping[str, str]) -> _Shards:
        pairs = zip(self._files, self._groups, strict=True)
        writers = [make(file, group, draft) for file, group in pairs]
        return _Shards(writers, [len(group) for group in self._groups])

    def _named(self, metadata: Mapping[str, str]) -> Groups:
        """The groups under the names of their files, which are no other files' names."""
        for token in chain([""], self._tokens(metadata)):
            groups = self._groups_by_name(token)
            if not any(os.path.lexists(self._path.with_name(name)) for name in groups):
                break
        return groups

    def _placeholder(self, groups: Groups) -> dict[str, Path]:
        """The first name of a set -> a file for it, if its format needs one that is not there."""
        first = self._format.names(self._path, "", 1)[0]
        taken = first in groups or os.path.lexists(self._path.with_name(first))
        if self._format.placeholder is None or taken:
            return {}
        file = self._journal.new_file(len(groups))
        self._format.placeholder(file)
        return {first: file}

    def _tokens(self, metadata: Mapping[str, str]) -> Iterator[str]:
        """Of the content, so that the same content gets the same names."""
        text = self._format.index(self._groups_by_name(""), metadata)
        return (hashlib.sha256(f"{n}{text}".encode()).hexdigest()[:8] for n in count())

    def _groups_by_name(self, token: str) -> Groups:
        names = self._format.names(self._path, token, len(self._groups))
        return dict(zip(names, self._groups, strict=True))


class _Shards:
    """One writer for all files of a set, of which one is open at a time.

    Args:
        writers: of the files.
        sizes: how many arrays each of them gets.
    """

    def __init__(self, writers: Sequence[RestingWriter], sizes: Sequence[int]) -> None:
        self._writers = writers
        self._order = chain.from_iterable(map(repeat, writers, sizes))
        self._current = writers[0]

    def add(self, tensor: TensorInfo, array: Array) -> None:
        writer = next(self._order)
        if writer is not self._current:
            self._current.rest()
        self._current = writer
        writer.add(tensor, array)

    def rest(self) -> None:
        self._current.rest()

    def close(self, metadata: Mapping[str, str]) -> None:
        self._current.rest()
        for writer in self._writers:
            writer.close(metadata)

    def abandon(self) -> None:
        for writer in self._writers:
            writer.abandon()
