"""The fields of a protocol buffer, https://protobuf.dev/programming-guides/encoding/."""

from __future__ import annotations

from collections.abc import Iterator

_LONGEST_VARINT = 10  # bytes
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def varint(raw: bytes, place: int) -> tuple[int, int]:
    """The number at `place` and the place after it. Raises ValueError if it does not end."""
    value = 0
    for count in range(min(_LONGEST_VARINT, len(raw) - place)):
        byte = raw[place + count]
        value |= (byte & 0x7F) << 7 * count
        if byte < 0x80:
            return value, place + count + 1
    raise ValueError("a number does not end")


def fields(raw: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(number, value) of each field: an int, or bytes for text and messages.

    Raises:
        ValueError: the message is cut off, or has a field of an obsolete kind.
    """
    place = 0
    while place < len(raw):
        key, place = varint(raw, place)
        kind = key & 7
        value: int | bytes
        if kind == _VARINT:
            value, place = varint(raw, place)
        else:
            if kind == _BYTES:
                length, place = varint(raw, place)
            elif kind in (_FIXED32, _FIXED64):
                length = 4 if kind == _FIXED32 else 8
            else:
                raise ValueError(f"a field of kind {kind}")
            if length > len(raw) - place:
                raise ValueError("a field is cut off")
            value = raw[place : place + length]
            place += length
            if kind != _BYTES:
                value = int.from_bytes(value, "little")
        yield key >> 3, value


def integer(value: int | bytes) -> int:
    """Raises ValueError if the field is not a number."""
    if not isinstance(value, int):
        raise ValueError("text where a number should be")
    return value


def message(value: int | bytes) -> bytes:
    """Raises ValueError if the field is a number."""
    if not isinstance(value, bytes):
        raise ValueError("a number where text should be")
    return value
