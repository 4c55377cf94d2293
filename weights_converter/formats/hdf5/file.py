"""Opens HDF5 files. Their library reports corruption by almost any exception; here it is one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

import h5py
import numpy as np
from numpy.typing import NDArray

from weights_converter.errors import ConverterError, legible
from weights_converter.formats.files.open_files import opened
from weights_converter.formats.files.source import Source
from weights_converter.formats.hdf5.window import Positioned, Window

_ERRORS = (OSError, RuntimeError, LookupError, ValueError, TypeError, OverflowError)


@dataclass(frozen=True)
class Hdf5:
    """An HDF5 file: a file itself, or what `view` shows of one that is open."""

    source: Source
    size: int
    view: Callable[[BinaryIO], Positioned]

    @classmethod
    def whole(cls, source: Source) -> Hdf5:
        return cls(source, source.size, lambda handle: Window(handle, 0, source.size))

    @contextmanager
    def open(self) -> Iterator[h5py.File]:
        """The file for reading.

        Raises:
            DamagedError: the library cannot read it, or it has changed since it was inspected.
            RefusedError: it needs more memory than there is.
        """
        with self._in_our_words(), opened(self, self._opened) as (handle, file):
            self.source.check_unchanged(handle)  # it may have been open for long
            yield file

    def array(self, offset: int, length: int) -> NDArray[np.uint8]:
        """`length` bytes of the HDF5 file, which its library has no part in reading.

        Raises:
            DamagedError: there are not as many, or the file has changed.
        """
        if offset + length > self.size:
            raise self.source.truncated(f"byte {offset + length} is needed")
        raw = np.empty(length, np.uint8)
        with self._in_our_words(), self.source.kept() as handle:
            self.source.check_unchanged(handle)
            self.view(handle).fill(raw.data, offset)
        return raw

    @contextmanager
    def _opened(self) -> Iterator[tuple[BinaryIO, h5py.File]]:
        with (
            self._in_our_words(),
            self.source.open() as handle,
            h5py.File(self.view(handle), "r") as file,
        ):
            yield handle, file

    @contextmanager
    def _in_our_words(self) -> Iterator[None]:
        try:
            yield
        except ConverterError:
            raise
        except MemoryError as error:
            raise self.source.refused("it needs more memory than there is") from error
        except _ERRORS as error:
            reason = legible(str(error).partition("\n")[0])
            raise self.source.damaged(f"HDF5 cannot read it: {reason}") from error
