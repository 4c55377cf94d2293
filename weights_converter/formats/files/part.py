"""A file under a temporary name, which takes its place when it is complete."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from weights_converter.errors import FileError, legible

if sys.platform == "linux":
    import fcntl
    import struct

    # struct flock: an exclusive lock of the whole file, which belongs to the open file. Those of
    # flock() would shut out a library that takes one itself; those of lockf() end when the process
    # closes the file under any descriptor.
    _WHOLE_FILE = struct.pack("hhqqi0q", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)

PRIVATE: Final = 0o600
EVERYBODY: Final = 0o666
_ENDING: Final = r"\.[0-9a-f]{16}\.part"
_LONGEST: Final = 255 - len(".") - len(".0123456789abcdef.part00000")  # bytes of a name in a folder
# What file systems without hard links say to them.
_NO_LINKS: Final = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES}


class Part:
    """An empty file beside `path`, which other processes leave alone until this one ends.

    Args:
        path: where it will be.
        mode: permissions, of which the user's umask takes some away.
    """

    def __init__(self, path: Path, mode: int = EVERYBODY) -> None:
        self._descriptor = -1
        while self._descriptor < 0:
            self.path = path.with_name(f"{_stem(path.name)}.{secrets.token_hex(8)}.part")
            try:
                self._create(mode | PRIVATE)
            except BaseException:  # an interrupt, too: the file may be there by now
                self.discard()
                raise

    def _create(self, mode: int) -> None:
        """Makes the file, and locks it."""
        # The user's umask applies, unlike with mkstemp.
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
        if _lock(self._descriptor, wait=True) and not _is_at(self.path, self._descriptor):
            self.release()  # taken for a leftover, and removed, before it was locked

    def place(self, path: Path, overwrite: bool) -> None:
        """Gives the file its name; see the function `place`."""
        place(self.path, path, overwrite)

    def discard(self) -> None:
        """Removes the file, unless it has its place by now."""
        with suppress(OSError):  # whatever brought us here is the error to report
            self.path.unlink(missing_ok=True)
        self.release()

    def release(self) -> None:
        """Lets other processes have the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def place(part: Path, path: Path, overwrite: bool) -> None:
    """Gives the file `part` the name `path`, which it has after a power cut, too.

    Raises:
        FileError: there is such a file, and `overwrite` is false.
    """
    sync(part)
    if overwrite:
        part.replace(path)
    else:
        _rename_new(part, path)
    sync_folder(path.parent)


def check_destination(path: Path, overwrite: bool) -> None:
    """Raises FileError where no file may be written at `path`."""
    shown = legible(str(path))
    if not path.parent.is_dir():
        raise FileError(f"cannot write {shown}: its folder does not exist", "create it first")
    if path.is_dir():
        raise FileError(f"cannot write {shown}: it is a folder")
    if not overwrite and os.path.lexists(path):
        raise _exists(path)


@contextmanager
def file_errors(path: Path) -> Iterator[None]:
    """Turns errors of the file system into FileError, which names `path`."""
    try:
        yield
    except OSError as error:
        raise FileError(f"cannot write {legible(str(path))}: {error.strerror or error}") from error


def sync_folder(folder: Path) -> None:
    """Waits until the names in a folder are on the disk.

    An error is none of the caller's: the names are there, and only a power cut can lose them.
    """
    with suppress(OSError):  # Windows cannot open a folder
        sync(folder)


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Lets one process at a time put files into their places, where the system can do that."""
    descriptor = -1
    with suppress(OSError):
        if sys.platform == "linux":
            descriptor = os.open(folder, os.O_RDONLY)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def sync(path: Path) -> None:
    """Waits until a file's content, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def leftovers(path: Path) -> Iterator[Path]:
    """Parts of `path` whose process has ended, where that can be known. Each is locked meanwhile.

    Raises OSError where the folder cannot be read.
    """
    pattern = re.compile(re.escape(_stem(path.name)) + _ENDING)
    for part in [entry for entry in path.parent.iterdir() if pattern.fullmatch(entry.name)]:
        with suppress(OSError):  # somebody else's, or removed by another process
            descriptor = os.open(part, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
            try:
                if _lock(descriptor, wait=False):
                    yield part
            finally:
                os.close(descriptor)


def remove_leftovers(path: Path) -> None:
    """Removes what killed processes have left of `path`."""
    for part in leftovers(path):
        with suppress(OSError):
            part.unlink()


def _stem(name: str) -> str:
    """What the temporary names of a file begin with, shorter than its name where that is long."""
    raw = os.fsencode(name)
    if len(raw) > _LONGEST:
        raw = raw[: _LONGEST - 16].decode(errors="ignore").encode()
        raw += hashlib.sha256(os.fsencode(name)).hexdigest()[:16].encode()
    return "." + os.fsdecode(raw)


def _rename_new(part: Path, path: Path) -> None:
    """Unlike `rename`, a link is refused where there is a file already, at that very moment."""
    try:
        os.link(part, path)
    except FileExistsError as error:
        raise _exists(path) from error
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        check_destination(path, overwrite=False)
        part.rename(path)
        return
    with suppress(OSError):  # the file stands: its other name, that of a leftover, is no error
        part.unlink()


def _exists(path: Path) -> FileError:
    return FileError(f"{legible(str(path))} exists already", "pass --overwrite to replace it")


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
