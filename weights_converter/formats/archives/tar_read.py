"""Finds the members of a tar archive where they are. Nothing is extracted, no path is ever used.

https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html
"""

from __future__ import annotations

from dataclasses import dataclass

from weights_converter.errors import legible
from weights_converter.formats.files.source import Source

_BLOCK = 512
_MOST_MEMBERS = 1000
_REGULAR, _EXTENDED = (b"0", b"\0"), b"x"
_LONGEST_EXTENSION = 1 << 12  # thousands of members may have one
# Python's tarfile notes fractions of seconds there. Other records could change a name or a size.
_HARMLESS = {b"mtime", b"atime", b"ctime", b"uid", b"gid", b"uname", b"gname"}


@dataclass(frozen=True)
class Member:
    """Bytes `start` to `end` of the file."""

    start: int
    end: int


def members(source: Source) -> dict[str, Member]:
    """Every member by name.

    Raises:
        RefusedError: one is not a regular file, or has its name twice.
        DamagedError: the archive is truncated, or a header does not fit its checksum.
    """
    found: dict[str, Member] = {}
    place = 0
    for _ in range(_MOST_MEMBERS):
        header = source.read(place, _BLOCK)
        if not any(header):
            return found
        name, kind, size = _header(source, header)
        start = place + _BLOCK
        if start + size > source.size:
            raise source.truncated(f"{legible(name)} ends at byte {start + size}")
        if kind == _EXTENDED:
            _check_extension(source, start, size)
        elif kind not in _REGULAR:
            raise source.refused(f"its archive has {legible(name)}, which is not a regular file")
        elif name in found:
            raise source.refused(f"its archive has two members {legible(name)}")
        else:
            found[name] = Member(start, start + size)
        place = start + -(-size // _BLOCK) * _BLOCK
    raise source.refused(f"its archive has more than {_MOST_MEMBERS} members")


def _header(source: Source, header: bytes) -> tuple[str, bytes, int]:
    """(name, kind, size)"""
    name = header[:100].split(b"\0")[0] + header[345:500].split(b"\0")[0]
    total = sum(header) - sum(header[148:156]) + 8 * ord(" ")  # the sum counts itself as spaces
    if _octal(source, header[148:156]) != total:
        raise source.damaged("a header of its archive does not fit its checksum")
    return name.decode("latin-1"), header[156:157], _octal(source, header[124:136])


def _octal(source: Source, field: bytes) -> int:
    digits = field.strip(b" \0")
    if not digits or digits.strip(b"01234567"):
        raise source.damaged("a header of its archive has a number that is none")
    return int(digits, 8)


def _check_extension(source: Source, start: int, size: int) -> None:
    """Records are "length key=value\\n"."""
    if size > _LONGEST_EXTENSION:
        raise source.refused(f"its archive has an extended header of {size} bytes")
    records = source.read(start, size)
    while records:
        length, _, record = records.partition(b" ")
        if not length.isdigit() or len(length) > 6 or not len(length) < int(length) <= len(records):
            raise source.damaged("an extended header of its archive makes no sense")
        key = record.partition(b"=")[0]
        if key not in _HARMLESS:
            raise source.refused(f"its archive changes the {legible(key.decode('latin-1'))} of one")
        records = records[int(length) :]
