"""The entries of a TensorFlow checkpoint: what is stored, and where in the files of data.

https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/protobuf/tensor_bundle.proto
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from math import prod
from typing import Final

from weights_converter.arrays.dtypes import MOST_AXES, is_shape, itemsize
from weights_converter.errors import ConverterError, legible
from weights_converter.formats.files.protobuf import fields, integer, last_fields, message
from weights_converter.formats.files.source import Source
from weights_converter.formats.tensorflow.table import table

STRING = 7
# https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/framework/types.proto
TAGS: Final[Mapping[int, str]] = {
    1: "F32",
    2: "F64",
    3: "I32",
    4: "U8",
    5: "I16",
    6: "I8",
    8: "C64",
    9: "I64",
    10: "BOOL",
    14: "BF16",
    17: "U16",
    18: "C128",
    19: "F16",
    22: "U32",
    23: "U64",
    24: "F8_E5M2",
    25: "F8_E4M3",
}
_VERSION = 1  # the newest that readers must know
_MOST_SHARDS = 100_000
_OF_AN_ENTRY = 48  # objects that the budget counts a variable as, with its names and its tensor


@dataclass(frozen=True)
class Entry:
    """One variable. `crc` is masked, as TensorFlow does it."""

    key: str
    kind: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    crc: int


@dataclass(frozen=True)
class Bundle:
    """The index of a checkpoint."""

    shards: int
    big_endian: bool
    entries: tuple[Entry, ...]


def read_bundle(source: Source) -> Bundle:
    """What the `.index` file says.

    Raises:
        DamagedError: it is not an index of TensorFlow.
        RefusedError: it stores variables in slices or types that are not supported.
    """
    bundle: tuple[int, bool] | None = None
    entries: list[Entry] = []
    for key, value in table(source):
        try:
            if bundle is None:
                bundle = _header(source, key, value)
            else:
                entries.append(_entry(source, key, value))
        except ConverterError:
            raise
        except ValueError:
            shown = legible(key.decode("utf-8", "replace"))
            raise source.damaged(f"the entry {shown} of its table is not a variable's") from None
    if bundle is None:
        raise source.damaged("its table is empty")
    _check_overlap(source, entries)
    return Bundle(*bundle, tuple(entries))


def _header(source: Source, key: bytes, value: bytes) -> tuple[int, bool]:
    """(number of files, whether they are big-endian), which has the empty name."""
    found = last_fields(memoryview(value))
    shards, endianness = integer(found.get(1, 0)), integer(found.get(2, 0))
    version = integer(last_fields(message(found.get(3))).get(2, 0))
    if key or not 0 < shards <= _MOST_SHARDS or endianness > 1:
        raise source.damaged("its table does not start as a checkpoint's")
    if version > _VERSION:
        raise source.unsupported(f"is of a version {version} that is not known")
    return shards, endianness == 1


def _entry(source: Source, raw_key: bytes, value: bytes) -> Entry:
    found = last_fields(memoryview(value))
    if 7 in found or raw_key.startswith(b"\0"):  # a slice has a binary name
        raise source.unsupported(
            "stores variables in slices, of which each device had one",
            "restore it in TensorFlow and write it again without a partitioner",
        )
    source.budget.charge_objects(_OF_AN_ENTRY, text=len(raw_key))
    key = raw_key.decode("utf-8")
    shown = legible(key)
    kind = integer(found.get(1, 0))
    if kind not in TAGS and kind != STRING:
        raise source.unsupported(f"stores {shown} as type {kind}, which is not supported")
    shape = _shape(message(found.get(2)))
    shard, offset, size, crc = (integer(found.get(number, 0)) for number in (3, 4, 5, 6))
    if not is_shape(shape) or not is_shape((shard, offset, size)):
        raise source.damaged(f"{shown} has an impossible shape or place")
    if kind != STRING and prod(shape) * itemsize(TAGS[kind]) != size:
        raise source.refused(f"{shown} has the shape {shape} and {size} bytes")
    return Entry(key, kind, shape, shard, offset, size, crc)


def _shape(raw: memoryview) -> tuple[int, ...]:
    """The sizes of a TensorShapeProto, of which no more are read than an array can have."""
    sizes = (
        integer(last_fields(message(dimension)).get(1, 0))
        for number, dimension in fields(raw)
        if number == 2
    )
    return tuple(islice(sizes, MOST_AXES + 1))


def _check_overlap(source: Source, entries: list[Entry]) -> None:
    """A file that gives the same bytes to many variables could stand for any amount of memory."""
    shard, reached = -1, 0
    for entry in sorted(entries, key=lambda entry: (entry.shard, entry.offset, entry.size)):
        if entry.shard == shard and entry.offset < reached:
            raise source.refused(f"{legible(entry.key)} shares bytes with another variable")
        shard, reached = entry.shard, entry.offset + entry.size
