"""The fields of a protocol buffer, https://protobuf.dev/programming-guides/encoding/.

What is read is a view of the message, so that nested ones take no memory of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_LONGEST_VARINT: Final = 10  # bytes
_VARINT: Final = 0
_BYTES: Final = 2
_FIXED: Final = {1: 8, 5: 4}  # bytes of each kind
_MOST_FIELDS: Final = 1 << 20  # of one message
_LAST_KNOWN: Final = 15  # of the numbers that the messages which we read have


def varint(raw: bytes | memoryview, place: int) -> tuple[int, int]:
    """The number at `place` and the place after it. Raises ValueError if it does not end."""
    value = 0
    for count in range(min(_LONGEST_VARINT, len(raw) - place)):
        byte = raw[place + count]
        value |= (byte & 0x7F) << 7 * count
        if byte < 0x80:
            return value, place + count + 1
    raise ValueError("a number does not end")


def fields(raw: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """(number, value) of each field: an int, or a view of a text or a message.

    Raises:
        ValueError: the message is cut off, has a field of an obsolete kind, or far too many.

    Example:
        >>> [(number, bytes(value)) for number, value in fields(memoryview(b"\\x0a\\x02hi"))]
        [(1, b'hi')]
    """
    place = 0
    for _ in range(_MOST_FIELDS):
        if place >= len(raw):
            return
        key, place = varint(raw, place)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, place = varint(raw, place)
            yield number, value
            continue
        if kind == _BYTES:
            length, place = varint(raw, place)
        elif kind in _FIXED:
            length = _FIXED[kind]
        else:
            raise ValueError(f"a field of kind {kind}")
        if length > len(raw) - place:
            raise ValueError("a field is cut off")
        content = raw[place : place + length]
        yield number, content if kind == _BYTES else int.from_bytes(content, "little")
        place += length
    raise ValueError(f"more than {_MOST_FIELDS} fields")


def last_fields(raw: memoryview) -> dict[int, int | memoryview]:
    """The last value, which is the one that counts, of each of the first fields of a message.

    Raises ValueError as `fields` does.
    """
    return {number: value for number, value in fields(raw) if number <= _LAST_KNOWN}


def integer(value: int | memoryview) -> int:
    """Raises ValueError if the field is not a number."""
    if not isinstance(value, int):
        raise ValueError("text where a number should be")
    return value


def message(value: int | memoryview | None) -> memoryview:
    """The message, empty where there is none. Raises ValueError if the field is a number."""
    if isinstance(value, int):
        raise ValueError("a number where text should be")
    return memoryview(b"") if value is None else value


def numbers(value: int | memoryview) -> Iterator[int]:
    """A repeated number: one of them, or all packed together. Raises ValueError."""
    if isinstance(value, int):
        yield value
        return
    place = 0
    while place < len(value):
        number, place = varint(value, place)
        yield number
