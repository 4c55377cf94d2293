"""Sizes of files and arrays, for people."""

from __future__ import annotations

_UNITS = ("KB", "MB", "GB", "TB")


def size_text(nbytes: int) -> str:
    """A number of bytes in three digits or so; a KB has a thousand.

    >>> size_text(512), size_text(32_768), size_text(46_800_000)
    ('512 bytes', '32.8 KB', '46.8 MB')
    """
    if nbytes < 1000:
        return f"{nbytes} byte{'' if nbytes == 1 else 's'}"
    size, unit = nbytes / 1000, 0
    while round(size, 1) >= 1000 and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.1f} {_UNITS[unit]}"
