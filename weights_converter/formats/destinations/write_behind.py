"""Writes an array in another thread while this one reads the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from weights_converter.arrays.dtypes import Array
from weights_converter.arrays.tensor import TensorInfo
from weights_converter.formats.destinations.writer import Writer

_SMALL = 1 << 18  # bytes that are written sooner than another thread takes them over
_ROOM = 24 << 20  # bytes that all arrays may take however small the largest is


class WriteBehind:
    """A writer whose `add` returns before the array is written, where there is room for another.

    No more than twice the largest array is in memory.

    Args:
        writer: does the writing.
        tensors: what will be added, in its order.
    """

    def __init__(self, writer: Writer, tensors: Sequence[TensorInfo]) -> None:
        self._writer = writer
        self._room = max([_ROOM, *(2 * tensor.nbytes for tensor in tensors)])
        self._following = iter([tensor.nbytes for tensor in tensors[1:]] + [0])
        self._pool = ThreadPoolExecutor(1)
        self._writing: Future[None] | None = None

    def add(self, tensor: TensorInfo, array: Array) -> None:
        """Takes the array, which must not change any more."""
        self._wait()
        if tensor.nbytes < _SMALL:
            self._writer.add(tensor, array)
        else:
            # The pool keeps the arguments of a call until after its end.
            self._writing = self._pool.submit(_write, self._writer, tensor, [array])
        # A tensor may be read in one order of axes and turned into another.
        if tensor.nbytes + 2 * next(self._following) > self._room:
            self._wait()

    def close(self, metadata: Mapping[str, str]) -> None:
        """Completes the file."""
        self._wait()
        self._pool.shutdown()
        self._writer.close(metadata)

    def abandon(self) -> None:
        """Stops."""
        self._pool.shutdown(cancel_futures=True)
        self._writer.abandon()

    def _wait(self) -> None:
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()


def _write(writer: Writer, tensor: TensorInfo, holder: list[Array]) -> None:
    """Writes what the list holds, which nobody holds afterwards."""
    writer.add(tensor, holder.pop())
