"""Files that are either complete or not there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from weights_converter.formats.files.part import (
    EVERYBODY,
    Part,
    check_destination,
    file_errors,
    remove_leftovers,
)


@contextmanager
def replacing(path: Path, overwrite: bool = False, mode: int = EVERYBODY) -> Iterator[Path]:
    """Yields an empty file beside `path` that takes its place when the block ends well.

    The content is on the disk before the name is, so a power cut leaves the old file or the new
    one. After any exception, an interrupt included, the destination is as it was. What a process
    that was killed has left of an earlier attempt at `path` is removed.

    Args:
        path: where the file will be.
        overwrite: whether it may replace another.
        mode: permissions, of which the user's umask takes some away.

    Raises:
        FileError: `path` exists and `overwrite` is false, its folder is missing, or the disk is
            full or not writable.

    Example:
        >>> with replacing(Path("numbers.txt"), overwrite=True) as part:
        ...     _ = part.write_text("1 2 3")
    """
    check_destination(path, overwrite)
    with file_errors(path):
        remove_leftovers(path)
        part = Part(path, mode)
        try:
            yield part.path
            part.place(path, overwrite)
        finally:
            part.discard()
