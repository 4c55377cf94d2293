"""What an ONNX file tells of itself; its graph and its arrays are left where they are.

The messages are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from weights_converter.arrays.tensor import Checkpoint
from weights_converter.errors import ConverterError
from weights_converter.formats.files.protobuf import last_fields, message, varint
from weights_converter.formats.files.source import Source

# Fields of ModelProto, StringStringEntryProto and OperatorSetIdProto.
_PRODUCER, _OPSET, _METADATA = 2, 8, 14
_KEY, _VALUE = 1, 2
_DOMAIN, _VERSION = 1, 2
_READ: Final = frozenset({_PRODUCER, _OPSET, _METADATA})
_LONGEST_FIELD: Final = 1 << 24  # bytes of one that is read
_MOST_FIELDS: Final = 1 << 16
_HEAD: Final = 20  # bytes of two numbers
_NUMBER, _BYTES = 0, 2
_FIXED: Final = {1: 8, 5: 4}  # bytes of each kind


def read_onnx(source: Source, key: str | None) -> Checkpoint:
    """A checkpoint without arrays, with the metadata of the file.

    Raises:
        DamagedError: the file is cut off, or no ONNX file.
        RefusedError: it has too many metadata, or too large ones.
        UsageError: a key is given.
    """
    source.refuse_key(key)
    metadata: dict[str, str] = {}
    scalars: dict[str, int | float | str] = {}
    try:
        for number, raw in _fields(source):
            source.budget.charge_objects(8, text=len(raw))
            if number == _PRODUCER:
                scalars["producer"] = str(raw, "utf-8")
            elif number == _OPSET:
                entry = last_fields(raw)
                domain = str(message(entry.get(_DOMAIN)), "utf-8")
                scalars[f"opset {domain}".rstrip()] = str(entry.get(_VERSION))
            else:
                entry = last_fields(raw)
                text = str(message(entry.get(_VALUE)), "utf-8")
                metadata[str(message(entry.get(_KEY)), "utf-8")] = text
    except ConverterError:
        raise
    except ValueError as error:
        raise source.damaged(f"it is not ONNX: {error}") from None
    return Checkpoint(source.path, "onnx", "torch", {}, metadata, scalars)


def _fields(source: Source) -> Iterator[tuple[int, memoryview]]:
    """(number, content) of the fields that are read; the graph is stepped over."""
    place = 0
    for _ in range(_MOST_FIELDS):
        if place >= source.size:
            return
        head = source.read(place, min(_HEAD, source.size - place))
        key, start = varint(head, 0)
        number, kind = key >> 3, key & 7
        if number in _READ and kind != _BYTES:
            raise ValueError("a number where text should be")
        if kind == _NUMBER:
            _, end = varint(head, start)
            place += end
            continue
        length = _FIXED.get(kind, 0)
        if kind == _BYTES:
            length, start = varint(head, start)
        elif not length:
            raise ValueError(f"a field of kind {kind}")
        if length > source.size - place - start:
            raise source.truncated(f"byte {place + start + length} is needed")
        if number in _READ:
            if length > _LONGEST_FIELD:
                raise source.refused(f"metadata of {length} bytes")
            source.budget.charge_bytes(length)
            yield number, memoryview(source.read(place + start, length))
        place += start + length
    raise ValueError(f"more than {_MOST_FIELDS} fields")
