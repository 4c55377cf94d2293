"""The little of protobuf that Paddle's programs and tensor descriptions need.

https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterator

from weights_converter.formats.files.source import Source

_VARINT, _WIDE, _BYTES, _NARROW = 0, 1, 2, 5
_FIXED = {_WIDE: 8, _NARROW: 4}
_LONGEST_VARINT = 10


def fields(source: Source, raw: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """(number, value) of each field of a message; numbers of fixed width are left out.

    Raises:
        DamagedError: it is not a message.
    """
    place = 0
    while place < len(raw):
        key, place = _varint(source, raw, place)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, place = _varint(source, raw, place)
            yield number, value
        elif kind == _BYTES:
            length, place = _varint(source, raw, place)
            if length > len(raw) - place:
                raise source.damaged("a field of its description is longer than the description")
            yield number, raw[place : place + length]
            place += length
        elif kind in _FIXED:
            place += _FIXED[kind]
        else:
            raise source.damaged(f"its description has a field of the kind {kind}")


def numbers(source: Source, value: int | memoryview) -> list[int]:
    """A repeated number: one of them, or all packed together."""
    if isinstance(value, int):
        return [value]
    found, place = [], 0
    while place < len(value):
        number, place = _varint(source, value, place)
        found.append(number)
    return found


def message(source: Source, value: int | memoryview) -> memoryview:
    """Raises DamagedError if a field is a number where a message or text is expected."""
    if isinstance(value, int):
        raise source.damaged("its description has a number in place of a message")
    return value


def _varint(source: Source, raw: memoryview, place: int) -> tuple[int, int]:
    value = 0
    for index in range(min(_LONGEST_VARINT, len(raw) - place)):
        byte = raw[place + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, place + index + 1
    raise source.damaged("its description ends within a number")
