"""Where arrays are written: in which format, whose axes, one file or several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from weights_converter.arrays.dtypes import Array
from weights_converter.arrays.tensor import TensorInfo
from weights_converter.errors import UsageError, legible
from weights_converter.formats.destinations.pair import FileWithSidecar
from weights_converter.formats.destinations.shard_set import ShardSet
from weights_converter.formats.destinations.single import SingleFile
from weights_converter.formats.files.array_names import repeated
from weights_converter.formats.files.part import EVERYBODY, check_destination, file_errors
from weights_converter.formats.paddle.sidecar import sidecar
from weights_converter.formats.table import FORMATS, Format, Sharded, format_asked_by


class Staged(Protocol):
    """What is being written, which has no place yet."""

    def add(self, tensor: TensorInfo, array: Array) -> None:
        """Writes the next array of those that were announced."""

    def close(self, metadata: Mapping[str, str]) -> Path | None:
        """Completes it. Returns a path under which it can be read back, if there is anything."""

    def place(self) -> tuple[Path, ...]:
        """Puts all of it into its place. Returns the files."""

    def discard(self) -> None:
        """Removes what has no place by now."""


@dataclass(frozen=True)
class Destination:
    """What is written, and owns what is on the disk.

    Attributes:
        path: the file; of several, their index.
        format: of the file, or of each of the files of a set.
        most_bytes: what the arrays of one file of a set may take together, None for one file.
        overwrite: whether files may be replaced.
    """

    path: Path
    format: Format
    most_bytes: int | None = None
    overwrite: bool = False

    @classmethod
    def of(
        cls, path: str | Path, most_bytes: int | None = None, overwrite: bool = False
    ) -> Destination:
        """What `path` and the size ask for.

        Raises:
            UsageError: no format has the path's ending, or its format has no index.
        """
        path = Path(path)
        if most_bytes is None:
            _refuse_index(path)
            return cls(path, format_asked_by(path), None, overwrite)
        if most_bytes <= 0:
            raise UsageError(f"expected a size above 0 for each file, received {most_bytes}")
        for format, sharded in _sharded():
            ending = sharded.files.index_ending
            if path.name.endswith(ending):
                return cls(path, format, most_bytes, overwrite)
            if path.name.endswith(format.endings):
                index = path.with_name(_without(path.name, format.endings) + ending)
                return cls(index, format, most_bytes, overwrite)
        endings = " or ".join(ending for format, _ in _sharded() for ending in format.endings)
        raise UsageError(
            f"{legible(path.name)}: this format cannot be written as several files",
            help=f"use {endings}, or drop --max-shard-size",
        )

    @property
    def format_name(self) -> str:
        """Of what `path` is."""
        sharded = self.format.sharded
        return sharded.index if sharded and self.most_bytes is not None else self.format.name

    @property
    def layout(self) -> str:
        """The framework whose order of axes the arrays have."""
        return self.format.layout

    def names(self) -> tuple[Path, ...]:
        """The files that are known before anything is written."""
        if self.format.has_sidecar:
            return self.path, sidecar(self.path)
        return (self.path,)

    def replaced(self) -> set[Path]:
        """The files that go, or get another content."""
        if self.most_bytes is None or self.format.sharded is None:
            return set(self.names())
        files, folder = self.format.sharded.files, self.path.parent
        beside = folder.iterdir() if folder.is_dir() else ()
        return {self.path, *(path for path in beside if files.may_be_ours(self.path, path.name))}

    def check(self) -> None:
        """Raises FileError if nothing may be written there."""
        for path in self.names():
            check_destination(path, self.overwrite)

    @contextmanager
    def open(
        self, tensors: Sequence[TensorInfo], draft: Mapping[str, str], mode: int = EVERYBODY
    ) -> Iterator[Staged]:
        """What takes the arrays. Of what was not placed, nothing is left when the block ends.

        Args:
            tensors: the arrays to come, in their order.
            draft: texts of the same names and lengths as the metadata.
            mode: permissions of the files, before the user's umask.

        Raises:
            FileError: a file exists and must not be replaced, or cannot be written.
            UsageError: a name is given twice, or impossible in the format.
            RefusedError: the format cannot hold one of the dtypes.
        """
        twice = repeated(tensor.name for tensor in tensors)
        if twice is not None:
            raise UsageError(f"two arrays are called {legible(twice)}")
        self.check()
        with file_errors(self.path):
            staged = self._staged(tensors, draft, mode)
            try:
                yield staged
            finally:
                staged.discard()

    def _staged(self, tensors: Sequence[TensorInfo], draft: Mapping[str, str], mode: int) -> Staged:
        format, sharded = self.format, self.format.sharded
        if self.most_bytes is not None and sharded is not None:
            return ShardSet(
                self.path,
                sharded.files,
                sharded.write,
                tensors,
                draft,
                self.most_bytes,
                self.overwrite,
                mode,
            )
        if format.write is None:
            raise UsageError(f"the format {format.name} is not written")
        file = SingleFile(self.path, format.write, tensors, draft, self.overwrite, mode)
        if format.has_sidecar:
            return FileWithSidecar(file, self.path, self.overwrite, mode)
        return file


def _sharded() -> Iterator[tuple[Format, Sharded]]:
    return ((format, format.sharded) for format in FORMATS if format.sharded is not None)


def _refuse_index(path: Path) -> None:
    for _, sharded in _sharded():
        if path.name.endswith(sharded.files.index_ending):
            raise UsageError(
                f"{legible(path.name)} is an index of several files",
                help="say how large each may be: --max-shard-size 2GB",
            )


def _without(name: str, endings: Sequence[str]) -> str:
    return next(name.removesuffix(ending) for ending in endings if name.endswith(ending))
