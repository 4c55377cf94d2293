"""Writes an array in another thread while this one reads the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeAlias

from weights_converter.arrays.dtypes import Array
from weights_converter.arrays.tensor import Tensor

_SMALL = 1 << 18  # bytes that are written sooner than another thread takes them over
_ROOM = 24 << 20  # bytes that all arrays may take however small the largest is

Write: TypeAlias = Callable[[Tensor, Array], object]


def write_each(tensors: Sequence[Tensor], write: Write) -> None:
    """Calls `write` with each tensor and its values, one after the other in their order.

    No more than twice the largest array is in memory, unless `write` keeps them.
    """
    room = max([_ROOM, *(2 * tensor.nbytes for tensor in tensors)])
    waiting = 0  # bytes
    writing: Future[None] | None = None
    with ThreadPoolExecutor(1) as pool:
        for tensor in tensors:
            # A tensor may be read in one order and turned into another.
            if writing is not None and waiting + 2 * tensor.nbytes > room:
                writing.result()
            holder = [tensor.read()]
            if writing is not None:
                writing.result()
            waiting = tensor.nbytes
            writing = pool.submit(_write, write, tensor, holder) if waiting >= _SMALL else None
            if writing is None:
                _write(write, tensor, holder)
        if writing is not None:
            writing.result()


def _write(write: Write, tensor: Tensor, holder: list[Array]) -> None:
    """Writes what the list holds, which nobody holds afterwards: a pool keeps its arguments."""
    write(tensor, holder.pop())
