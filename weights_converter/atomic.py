"""Files that are either complete or not there."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from weights_converter.errors import FileError, legible


@contextmanager
def replacing(path: Path, overwrite: bool = False) -> Iterator[Path]:
    """Yields an empty file beside `path` that takes its place when the block ends well.

    The content is on the disk before the name is, so a power cut leaves the old file or the new
    one. After any exception, an interrupt included, the destination is as it was.

    Raises:
        FileError: `path` exists and `overwrite` is false, its folder is missing, or the disk is
            full or not writable.
    """
    _check(path, overwrite)
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        part.touch(mode=0o666, exist_ok=False)  # the user's umask applies, unlike with mkstemp
        yield part
        _sync(part)
        _check(path, overwrite)  # somebody may have been faster
        part.replace(path)
        if os.name == "posix":  # Windows cannot open a folder
            _sync(path.parent)
    except OSError as error:
        reason = error.strerror or str(error)
        raise FileError(f"cannot write {legible(str(path))}: {reason}") from error
    finally:
        with suppress(OSError):  # the first error is the one to report
            part.unlink(missing_ok=True)


def _check(path: Path, overwrite: bool) -> None:
    shown = legible(str(path))
    if not path.parent.is_dir():
        raise FileError(f"cannot write {shown}: its folder does not exist", "create it first")
    if path.is_dir():
        raise FileError(f"cannot write {shown}: it is a folder")
    if not overwrite and os.path.lexists(path):
        raise FileError(f"{shown} exists already", "pass --overwrite to replace it")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
