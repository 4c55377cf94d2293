"""One file that takes its place when it is complete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from weights_converter.arrays.dtypes import Array
from weights_converter.arrays.tensor import TensorInfo
from weights_converter.formats.destinations.write_behind import WriteBehind
from weights_converter.formats.destinations.writer import MakeWriter
from weights_converter.formats.files.part import Part, remove_leftovers, sync


class SingleFile:
    """One file of a format.

    Args:
        path: where it will be.
        make: makes the format's writer.
        tensors: the arrays to come, in their order.
        draft: texts of the same names and lengths as the metadata.
        overwrite: whether it may replace another.
        mode: its permissions, before the user's umask.
    """

    def __init__(
        self,
        path: Path,
        make: MakeWriter,
        tensors: Sequence[TensorInfo],
        draft: Mapping[str, str],
        overwrite: bool,
        mode: int,
    ) -> None:
        self._path, self._overwrite = path, overwrite
        self._disk = ThreadPoolExecutor(1)
        self._syncing: Future[None] | None = None
        remove_leftovers(path)
        self._part = Part(path, mode)
        try:
            self._writer = WriteBehind(make(self._part.path, tensors, draft), tensors)
        except BaseException:
            self._part.discard()
            raise

    def add(self, tensor: TensorInfo, array: Array) -> None:
        """Writes the next array."""
        self._writer.add(tensor, array)

    def close(self, metadata: Mapping[str, str]) -> Path:
        """Completes the file, which can be read at the path that is returned."""
        self._writer.close(metadata)
        # What follows may be long: reading all of it back does not wait for the disk.
        self._syncing = self._disk.submit(sync, self._part.path)
        return self._part.path

    def place(self) -> tuple[Path, ...]:
        """Puts it into its place. Returns what was written."""
        if self._syncing is not None:
            self._syncing.result()
        self._part.place(self._path, self._overwrite)
        return (self._path,)

    def discard(self) -> None:
        """Removes what has no place by now."""
        self._writer.abandon()
        self._disk.shutdown()
        self._part.discard()
