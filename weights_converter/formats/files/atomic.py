"""Files that are either complete or not there."""

from __future__ import annotations

import os
import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from weights_converter.errors import FileError, legible

if sys.platform == "linux":
    import fcntl
    import struct

    # struct flock: an exclusive lock of the whole file, which belongs to the open file. Those of
    # flock() would shut out the HDF5 library, which takes one itself; those of lockf() end when
    # the process closes the file under any descriptor.
    _WHOLE_FILE = struct.pack("hhqqi0q", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)

_LEFTOVER = r"\.[0-9a-f]{16}\.part"


@contextmanager
def replacing(path: Path, overwrite: bool = False) -> Iterator[Path]:
    """Yields an empty file beside `path` that takes its place when the block ends well.

    The content is on the disk before the name is, so a power cut leaves the old file or the new
    one. After any exception, an interrupt included, the destination is as it was. What a process
    that was killed has left of an earlier attempt at `path` is removed.

    Raises:
        FileError: `path` exists and `overwrite` is false, its folder is missing, or the disk is
            full or not writable.
    """
    check_destination(path, overwrite)
    try:
        _remove_leftovers(path)
        part, descriptor = _created(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        yield part
        _sync(part)
        check_destination(path, overwrite)  # somebody may have been faster
        part.replace(path)
        if os.name == "posix":  # Windows cannot open a folder
            _sync(path.parent)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        os.close(descriptor)
        with suppress(OSError):  # the first error is the one to report
            part.unlink(missing_ok=True)


def check_destination(path: Path, overwrite: bool) -> None:
    """Raises FileError where no file may be written at `path`."""
    shown = legible(str(path))
    if not path.parent.is_dir():
        raise FileError(f"cannot write {shown}: its folder does not exist", "create it first")
    if path.is_dir():
        raise FileError(f"cannot write {shown}: it is a folder")
    if not overwrite and os.path.lexists(path):
        raise FileError(f"{shown} exists already", "pass --overwrite to replace it")


def _created(path: Path) -> tuple[Path, int]:
    """An empty file with a name of its own, and the descriptor that holds its lock."""
    while True:
        part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
        # The user's umask applies, unlike with mkstemp.
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        if not _lock(descriptor, wait=True) or _is_at(part, descriptor):
            return part, descriptor
        os.close(descriptor)  # taken for a leftover, and removed, before it was locked


def _remove_leftovers(path: Path) -> None:
    """Parts of files that nobody is writing any more, where that can be known."""
    pattern = re.compile(re.escape(f".{path.name}") + _LEFTOVER)
    for part in [entry for entry in path.parent.iterdir() if pattern.fullmatch(entry.name)]:
        with suppress(OSError):  # somebody else's, or removed by another process
            descriptor = os.open(part, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
            try:
                if _lock(descriptor, wait=False):
                    part.unlink()
            finally:
                os.close(descriptor)


def _lock(descriptor: int, wait: bool) -> bool:
    """Whether the file is locked now, until its descriptor is closed or the process ends."""
    if sys.platform != "linux":
        return False
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLKW if wait else fcntl.F_OFD_SETLK, _WHOLE_FILE)
    except OSError:  # held by another process, or the file system has no locks
        return False
    return True


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _unwritable(path: Path, error: OSError) -> FileError:
    return FileError(f"cannot write {legible(str(path))}: {error.strerror or error}")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
