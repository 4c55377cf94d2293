"""A file that is read by position, never mapped: what is in memory is what was asked for."""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from weights_converter.errors import DamagedError, FileError, RefusedError, UsageError, legible
from weights_converter.formats.files.budget import Budget
from weights_converter.formats.files.open_files import opened

CHUNK = 1 << 20


@dataclass(frozen=True)
class Source:
    """A regular file, and the errors that speak of it by name."""

    path: Path
    size: int
    stamp: tuple[int, int, int]

    @classmethod
    def at(cls, path: Path) -> Source:
        """Raises FileError if there is no readable regular file at `path`."""
        try:
            status = path.stat()
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            raise FileError(f"cannot read {legible(str(path))}: {_reason(error)}") from error
        if not stat.S_ISREG(status.st_mode):
            if stat.S_ISDIR(status.st_mode):
                raise FileError(f"{legible(str(path))} is a folder", "name a weights file in it")
            raise FileError(f"{legible(str(path))} is not a regular file", "name a weights file")
        return cls(path, status.st_size, _stamp(status))

    @property
    def name(self) -> str:
        return legible(self.path.name)

    @cached_property
    def budget(self) -> Budget:
        """What reading the file may take; every reader charges it before it builds anything."""
        return Budget(self.size, self.refused)

    def beside(self, name: str) -> Source:
        """Another file of the same folder, which this one names or belongs to.

        Raises:
            RefusedError: the name leads out of the folder, by itself or by a link.
            FileError: there is no readable regular file.
        """
        if not name.isprintable() or name in ("", ".", "..") or set(name) & set("/\\:"):
            raise self.refused(f"it names {legible(name)}, which is not a file beside it")
        folder = self.path.parent
        try:
            path = (folder / name).resolve()
            outside = path.parent != folder.resolve()
        except (OSError, RuntimeError) as error:  # RuntimeError: links that go round
            raise FileError(f"cannot read {legible(name)}: {_reason(error)}") from error
        if outside:
            raise self.refused(
                f"{legible(name)} beside it is a link to another folder",
                "put copies of the files into one folder: cp -rL FOLDER COPY, or for those of "
                "Hugging Face's cache, hf download --local-dir FOLDER REPOSITORY",
            )
        return Source.at(path)

    def open(self) -> BinaryIO:
        """Raises DamagedError if the file is no longer the one that was inspected."""
        try:
            handle = self.path.open("rb")
        except OSError as error:
            raise FileError(f"cannot read {self.name}: {_reason(error)}") from error
        try:
            self.check_unchanged(handle)
        except DamagedError:
            handle.close()
            raise
        return handle

    def kept(self) -> AbstractContextManager[BinaryIO]:
        """The file, which within `kept_open` is opened once; whoever reads it seeks first."""
        return opened(self, self.open)

    def check_unchanged(self, handle: BinaryIO) -> None:
        """Raises DamagedError if the file is no longer the one that was inspected."""
        if _stamp(os.fstat(handle.fileno())) != self.stamp:
            raise DamagedError(f"{self.name} has changed while it was being read", "start again")

    def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes, or DamagedError."""
        return self.array(offset, length).tobytes()

    def array(self, offset: int, length: int) -> NDArray[np.uint8]:
        """Exactly `length` bytes as a writable array that nothing else refers to."""
        if offset + length > self.size:
            raise self.truncated(f"byte {offset + length} is needed")
        raw = np.empty(length, np.uint8)
        with self.kept() as handle:
            self.check_unchanged(handle)  # it may have been open for long
            handle.seek(offset)
            if handle.readinto(raw.data) != length:  # type: ignore[attr-defined]
                raise self.truncated(f"byte {offset + length} could not be read")
        return raw

    def refuse_key(self, key: str | None) -> None:
        """Raises UsageError where a key is given to choose among one set of arrays."""
        if key is not None:
            raise UsageError(f"{self.name} holds one set of arrays: there is no key to choose from")

    def refused(self, fact: str, help: str | None = None) -> RefusedError:
        return RefusedError(f"{self.name} refused: {fact}", help)

    def unsupported(self, fact: str, help: str | None = None) -> RefusedError:
        return RefusedError(f"{self.name} {fact}", help)

    def damaged(self, fact: str) -> DamagedError:
        return DamagedError(f"{self.name} is damaged: {fact}", "get it again from where it is from")

    def truncated(self, fact: str) -> DamagedError:
        return DamagedError(
            f"{self.name} is truncated: {fact} but the file has {self.size} bytes",
            f"download it again; sha256 of what is here: {self.sha256()}",
        )

    def sha256(self) -> str:
        digest = hashlib.sha256()
        with self.open() as handle:
            while chunk := handle.read(CHUNK):
                digest.update(chunk)
        return digest.hexdigest()


def _stamp(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
