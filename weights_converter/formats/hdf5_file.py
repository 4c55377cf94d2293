"""Opens HDF5 files. Their library reports corruption by almost any exception; here it is one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

import h5py

from weights_converter.errors import ConverterError, legible
from weights_converter.formats.h5_window import Positioned, Window
from weights_converter.formats.source import Source

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
        with self.source.open() as handle:
            try:
                with h5py.File(self.view(handle), "r") as file:
                    yield file
            except ConverterError:
                raise
            except MemoryError as error:
                raise self.source.refused("it needs more memory than there is") from error
            except _ERRORS as error:
                reason = legible(str(error).partition("\n")[0])
                raise self.source.damaged(f"HDF5 cannot read it: {reason}") from error
