"""Reads Paddle's binary tensors: one by `paddle.save(use_binary_format=True)`, or a `.pdiparams`.

Each is a version, a number of levels of detail, a version, and a description in protobuf with its
length, followed by the data.
https://github.com/PaddlePaddle/Paddle/blob/develop/paddle/phi/core/framework/dense_tensor_serialize.cc
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Final

from weights_converter.arrays.dtypes import Array, decode, is_shape, itemsize
from weights_converter.arrays.tensor import Checkpoint, Tensor
from weights_converter.errors import ConverterError, legible
from weights_converter.formats.files.array_names import check_name, repeated
from weights_converter.formats.files.protobuf import fields, numbers
from weights_converter.formats.files.source import Source
from weights_converter.formats.paddle.program import (
    PROGRAMS,
    Variable,
    structured_names,
    variables,
)

_START = struct.Struct("<IQIi")
_LONGEST_DESCRIPTION = 1 << 12
_MOST_TENSORS = 50_000
_OF_A_TENSOR = 24  # objects that the budget counts one as, with its names
# VarType.Type of framework.proto
_TYPES: Final[Mapping[int, str]] = {
    0: "BOOL",
    1: "I16",
    2: "I32",
    3: "I64",
    4: "F16",
    5: "F32",
    6: "F64",
    20: "U8",
    21: "I8",
    22: "BF16",
    23: "C64",
    24: "C128",
    32: "F8_E4M3",
    33: "F8_E5M2",
    36: "U16",
    37: "U32",
    38: "U64",
}


@dataclass(frozen=True)
class _Entry:
    tag: str
    shape: tuple[int, ...]
    place: int

    @property
    def nbytes(self) -> int:
        return prod(self.shape) * itemsize(self.tag)


def read_binary(source: Source, key: str | None) -> Checkpoint:
    """Every tensor of the file; a single one is called as the file is.

    Raises:
        RefusedError: there are several and no program beside them that names them.
        DamagedError: the file is truncated, or a description makes no sense.
    """
    source.refuse_key(key)
    entries = _entries(source)
    names, notes = _names(source, entries)
    tensors = {
        name: Tensor(name, entry.tag, entry.shape, partial(_load, source, name, entry))
        for name, entry in zip(names, entries, strict=True)
    }
    return Checkpoint(source.path, "paddle-binary", "paddle", tensors, {}, {}, notes)


def _entries(source: Source) -> list[_Entry]:
    entries: list[_Entry] = []
    place = 0
    while place < source.size:
        entry = _entry(source, place)
        place = entry.place + entry.nbytes
        if place > source.size:
            raise source.truncated(f"its tensor {len(entries)} ends at byte {place}")
        entries.append(entry)
        if len(entries) > _MOST_TENSORS:
            raise source.refused(f"it has more than {_MOST_TENSORS} tensors")
    return entries


def _entry(source: Source, place: int) -> _Entry:
    version, levels, second, length = _START.unpack(source.read(place, _START.size))
    if version or second or not 0 < length <= _LONGEST_DESCRIPTION:
        raise source.damaged(f"no tensor starts at byte {place}")
    if levels:
        raise source.unsupported("holds a tensor with levels of detail, which no weights have")
    start = place + _START.size
    try:
        kind, shape = _description(memoryview(source.read(start, length)))
    except ConverterError:
        raise
    except ValueError as error:
        raise source.damaged(f"the description of its tensor at byte {place}: {error}") from None
    tag = _TYPES.get(kind)
    if tag is None:
        raise source.unsupported(f"stores elements of Paddle's type {kind}, which is not supported")
    if not is_shape(shape):
        raise source.damaged(f"the tensor at byte {place} has an impossible shape")
    source.budget.charge_objects(_OF_A_TENSOR + len(shape))
    return _Entry(tag, tuple(shape), start + length)


def _description(raw: memoryview) -> tuple[int, list[int]]:
    """(type, shape) of a TensorDesc. Raises ValueError where it is none."""
    kind = 0
    shape: list[int] = []
    for number, value in fields(raw):
        if number == 1 and isinstance(value, int):
            kind = value
        elif number == 2:
            shape += numbers(value)
    return kind, shape


def _names(source: Source, entries: list[_Entry]) -> tuple[list[str], tuple[str, ...]]:
    """The model's names, or the program's where nothing tells the model's."""
    program = variables(source)
    if program is None and len(entries) == 1:
        return [check_name(source, source.path.name.partition(".")[0])], ()
    if program is None:
        raise source.unsupported(
            f"holds {len(entries)} arrays without names",
            f"put the program beside it, of the same name and with {' or '.join(PROGRAMS)}",
        )
    _check_program(source, program, entries)
    table = structured_names(source)
    names = [check_name(source, table.get(v.name, v.name)) for v in program]
    twice = repeated(names)
    if twice is not None:
        raise source.refused(f"two arrays are called {legible(twice)}")
    nameless = sum(v.name not in table for v in program)
    note = f"{nameless} of {len(names)} arrays have Paddle's own names: nothing tells the model's"
    return names, (note,) if nameless else ()


def _check_program(source: Source, program: list[Variable], entries: list[_Entry]) -> None:
    if len(program) != len(entries):
        raise source.refused(f"its program has {len(program)} arrays, the file {len(entries)}")
    for variable, entry in zip(program, entries, strict=True):
        if variable.shape != entry.shape:
            raise source.refused(
                f"its program has {legible(variable.name)} of shape {variable.shape}, the file "
                f"{entry.shape}"
            )


def _load(source: Source, name: str, entry: _Entry) -> Array:
    raw = source.array(entry.place, entry.nbytes)
    try:
        return decode(raw, entry.tag).reshape(entry.shape)
    except ValueError as error:
        raise source.refused(f"{legible(name)} {error}") from None
