"""What writes the arrays of one file, and an open file that can rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol, TypeAlias

from weights_converter.arrays.dtypes import Array
from weights_converter.arrays.tensor import TensorInfo


class Writer(Protocol):
    """Writes one file: array by array, then the metadata."""

    def add(self, tensor: TensorInfo, array: Array) -> None:
        """Writes the next array of those that were announced: C-contiguous, little-endian."""

    def close(self, metadata: Mapping[str, str]) -> None:
        """Writes what is left. The file is complete afterwards."""

    def abandon(self) -> None:
        """Lets go of a file that will not be completed."""


class RestingWriter(Writer, Protocol):
    """A writer that is one of many, of which few have their files open."""

    def rest(self) -> None:
        """Closes the open file until there is more to write."""


# Args: the path of an empty file; the arrays to come, in their order; texts of the same names and
# lengths as the metadata, for formats that have it first.
MakeWriter: TypeAlias = Callable[[Path, Sequence[TensorInfo], Mapping[str, str]], Writer]
MakeRestingWriter: TypeAlias = Callable[
    [Path, Sequence[TensorInfo], Mapping[str, str]], RestingWriter
]


class RestingFile:
    """A file that exists and is written from its start, opened again where it was closed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._place = 0
        self._handle: BinaryIO | None = None

    def open(self) -> BinaryIO:
        """The file at the place where it was left."""
        if self._handle is None:
            self._handle = self._path.open("r+b")
            self._handle.seek(self._place)
        return self._handle

    def rest(self) -> None:
        """Closes it until it is opened again."""
        if self._handle is not None:
            self._place = self._handle.tell()
            handle, self._handle = self._handle, None
            handle.close()

    def abandon(self) -> None:
        """Closes it, whatever is still to be written."""
        if self._handle is not None:
            handle, self._handle = self._handle, None
            handle.raw.close()  # type: ignore[attr-defined]  # the buffer is not flushed
