"""A stretch of a file that the HDF5 library reads as if it were a whole one.

Given a path, the library opens files by itself; given this, it sees the bytes of one file that is
open already, and nothing else. An HDF5 file inside an archive is read in place the same way.
"""

from __future__ import annotations

import io
import os
from abc import abstractmethod
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class Positioned(io.RawIOBase):
    """A read-only stream of known size whose reads are whole or fail."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._place = offset + (0, self._place, self._size)[whence]
        return self._place

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fills the whole buffer: h5py does not look at the count and would leave what was there.

        Raises:
            OSError: there are not as many bytes.
        """
        target = memoryview(buffer).cast("B")
        if self._place < 0 or self._place + target.nbytes > self._size:
            raise OSError(f"no {target.nbytes} bytes at {self._place} of {self._size}")
        self.fill(target, self._place)
        self._place += target.nbytes
        return target.nbytes

    @abstractmethod
    def fill(self, target: memoryview, place: int) -> None:
        """Puts the bytes from `place` on into all of `target`, or raises OSError."""


class Window(Positioned):
    """`size` bytes of an open file from `start` on."""

    def __init__(self, handle: BinaryIO, start: int, size: int) -> None:
        super().__init__(size)
        self._handle = handle
        self._start = start

    def fill(self, target: memoryview, place: int) -> None:
        self._handle.seek(self._start + place)
        if self._handle.readinto(target) != target.nbytes:  # type: ignore[attr-defined]
            raise OSError(f"byte {place + target.nbytes} could not be read")


class Memory(Positioned):
    """Bytes that are in memory."""

    def __init__(self, content: memoryview) -> None:
        super().__init__(content.nbytes)
        self._content = content

    def fill(self, target: memoryview, place: int) -> None:
        target[:] = self._content[place : place + target.nbytes]
