"""TensorFlow checkpoints for the tests, good and bad, put together byte by byte."""

from __future__ import annotations

import struct
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
MAGIC = bytes.fromhex("57fb808b247547db")
TYPES = {
    "float32": 1,
    "float64": 2,
    "int32": 3,
    "uint8": 4,
    "int16": 5,
    "int8": 6,
    "complex64": 8,
    "int64": 9,
    "bool": 10,
    "uint16": 17,
    "complex128": 18,
    "float16": 19,
    "uint32": 22,
    "uint64": 23,
}


@cache
def _crc_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return tuple(table)


def crc32c(raw: bytes) -> int:
    """The textbook's loop."""
    crc, table = 0xFFFFFFFF, _crc_table()
    for byte in raw:
        crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def masked(raw: bytes) -> int:
    crc = crc32c(raw)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def varint(value: int) -> bytes:
    raw = bytearray()
    while value > 0x7F:
        raw.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*raw, value])


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def entry(
    kind: int,
    shape: tuple[int, ...],
    offset: int,
    size: int,
    crc: int,
    shard: int = 0,
    more: bytes = b"",
) -> bytes:
    sizes = b"".join(field(2, field(1, size)) for size in shape)
    places = field(3, shard) + field(4, offset) + field(5, size)
    return field(1, kind) + field(2, sizes) + places + b"\x35" + struct.pack("<I", crc) + more


def header(shards: int = 1, endianness: int = 0, version: int = 1) -> bytes:
    return field(1, shards) + field(2, endianness) + field(3, field(1, 1) + field(2, version))


def block(content: bytes, restarts: tuple[int, ...] = (0,), kind: int = 0) -> bytes:
    """A block with its trailer."""
    raw = content + struct.pack(f"<{len(restarts) + 1}I", *restarts, len(restarts)) + bytes([kind])
    return raw + struct.pack("<I", masked(raw))


def entries(pairs: list[tuple[bytes, bytes]]) -> bytes:
    """The content of a block, with nothing shared between the keys."""
    return b"".join(
        b"\0" + varint(len(key)) + varint(len(value)) + key + value for key, value in pairs
    )


def table(*contents: bytes, kind: int = 0) -> bytes:
    """A whole `.index` of blocks with these contents."""
    raw, handles = b"", []
    for content in contents:
        made = block(content, kind=kind)
        handles.append((b"\xff%d" % len(handles), varint(len(raw)) + varint(len(made) - 5)))
        raw += made
    meta, where = len(raw), block(entries(handles))
    raw += block(b"")
    footer = varint(meta) + varint(8) + varint(len(raw)) + varint(len(where) - 5)
    return raw + where + footer.ljust(40, b"\0") + MAGIC


class Bundle:
    """Variables by key, and the one file with their bytes."""

    def __init__(self) -> None:
        self.pairs: list[tuple[bytes, bytes]] = []
        self.data = b""

    def add(self, key: str, array: np.ndarray[Any, Any], **changes: Any) -> Bundle:
        raw = array.tobytes()
        fields: dict[str, Any] = {
            "kind": TYPES[array.dtype.name],
            "shape": array.shape,
            "offset": len(self.data),
            "size": len(raw),
            "crc": masked(raw),
        }
        self.pairs.append((key.encode(), entry(**(fields | changes))))
        self.data += raw
        return self

    def add_text(self, key: str, text: bytes) -> Bundle:
        sum_ = struct.pack("<I", masked(struct.pack("<I", len(text))))
        crc = masked(struct.pack("<I", len(text)) + sum_ + text)
        raw = varint(len(text)) + sum_ + text
        self.pairs.append((key.encode(), entry(7, (), len(self.data), len(raw), crc)))
        self.data += raw
        return self

    def add_graph(self, names: dict[str, str]) -> Bundle:
        """Full name of the variable under each key."""
        nodes = (
            field(1, field(2, field(1, b"V") + field(2, full.encode()) + field(3, key.encode())))
            for key, full in names.items()
        )
        return self.add_text(GRAPH, b"".join(nodes))

    def content(self, head: bytes | None = None) -> bytes:
        """The entries of the one block."""
        return entries([(b"", header() if head is None else head), *sorted(self.pairs)])

    def files(self, stem: str = "x", **changes: Any) -> dict[str, bytes]:
        return {
            f"{stem}.index": table(self.content(**changes)),
            f"{stem}.data-00000-of-00001": self.data,
        }

    def write(self, folder: Path, **changes: Any) -> Path:
        for name, content in self.files(**changes).items():
            (folder / name).write_bytes(content)
        return folder / "x.index"
