"""A file in memory, most of which is never written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

_PAGE: Final = 1 << 10  # bytes; the gaps that the HDF5 library leaves are longer
_ZEROS: Final = bytes(_PAGE)


class SparseMemory:
    """What the HDF5 library takes for a file: writing never fails, gaps take no memory.

    Gaps read as zeros. It has the methods that h5py calls of a file object.
    """

    def __init__(self) -> None:
        self._pages: dict[int, bytearray] = {}
        self._place = 0
        self._size = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        self._place = start + offset
        return self._place

    def tell(self) -> int:
        return self._place

    def read(self, length: int) -> bytes:
        found = bytearray()
        for number, part in self._parts(length):
            found += self._pages.get(number, _ZEROS)[part]
        self._place += length
        return bytes(found)

    def write(self, data: bytes | memoryview) -> int:
        done = 0
        for number, part in self._parts(len(data)):
            count = part.stop - part.start
            page = self._pages.setdefault(number, bytearray(_PAGE))
            page[part] = data[done : done + count]
            done += count
        self._place += done
        self._size = max(self._size, self._place)
        return done

    def truncate(self, size: int) -> int:
        """Only ever makes it longer: the library cuts nothing off that it has written."""
        self._size = size
        return size

    def flush(self) -> None:
        """There is nothing behind it."""

    def _parts(self, length: int) -> Iterator[tuple[int, slice]]:
        """The pages that the next `length` bytes lie on, and where."""
        place, end = self._place, self._place + length
        while place < end:
            number, start = divmod(place, _PAGE)
            stop = min(_PAGE, start + end - place)
            yield number, slice(start, stop)
            place += stop - start
