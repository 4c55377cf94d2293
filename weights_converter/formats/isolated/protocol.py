"""What the two processes of an isolated reading say to each other.

The confined process answers first, unasked, with the index of the file, then with the bytes of
each array that it is asked for by number. An answer is its kind, its length, its bytes.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

from weights_converter.arrays.dtypes import CARRIERS, is_shape, itemsize
from weights_converter.arrays.tensor import Checkpoint
from weights_converter.errors import (
    ConverterError,
    DamagedError,
    FileError,
    MismatchError,
    RefusedError,
    UsageError,
)
from weights_converter.formats.files.budget import Budget
from weights_converter.formats.files.strict_json import parsed
from weights_converter.names.layouts import LAYOUTS

REQUEST = struct.Struct("<Q")
HEADER = struct.Struct("<cQ")
CONTENT = b"C"
ERROR = b"E"

LONGEST_INDEX = 1 << 26
LONGEST_ERROR = 1 << 16
_BYTES_PER_SECOND = 1 << 24  # that a slow disk gives
_LONGEST_LINE = 2000
_ERRORS = (DamagedError, FileError, MismatchError, RefusedError, UsageError)


def allowance(seconds: float, nbytes: int) -> float:
    """Seconds that all answers together may take for arrays of `nbytes`."""
    return seconds + nbytes / _BYTES_PER_SECOND


class Entry(NamedTuple):
    """An array without its values."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        return prod(self.shape) * itemsize(self.dtype)


@dataclass(frozen=True)
class Index:
    """A checkpoint without the values of its arrays; see `Checkpoint` for the fields."""

    entries: tuple[Entry, ...]
    format: str
    layout: str
    notes: tuple[str, ...]
    metadata: Mapping[str, str]
    scalars: Mapping[str, int | float | str]
    left_out: Mapping[str, str]
    files: tuple[str, ...]  # names of files beside the one that is read


def pack_error(error: ConverterError) -> bytes:
    return json.dumps([type(error).__name__, str(error), error.help]).encode()


def unpack_error(raw: bytes) -> ConverterError:
    """The error. Raises ValueError if it is none of ours."""
    kind, fact, help = _parsed(raw, 3)
    kinds = {known.__name__: known for known in _ERRORS}
    _demand(isinstance(kind, str) and kind in kinds)
    return kinds[kind](_line(fact), None if help is None else _line(help))


def pack_index(checkpoint: Checkpoint) -> bytes:
    entries = [Entry(name, t.dtype, t.shape) for name, t in checkpoint.tensors.items()]
    facts = [checkpoint.format, checkpoint.layout, list(checkpoint.notes)]
    texts = [dict(checkpoint.metadata), dict(checkpoint.scalars), dict(checkpoint.left_out)]
    files = [path.name for path in checkpoint.files]
    return json.dumps([entries, *facts, *texts, files]).encode()


def unpack_index(raw: bytes) -> Index:
    """The index, each part of it checked: the process that wrote it may be the file's by now.

    Raises:
        ValueError: a part of it is impossible.
    """
    entries, format, layout, notes, metadata, scalars, left_out, files = _parsed(raw, 8)
    _demand(isinstance(layout, str) and layout in LAYOUTS)
    _demand(all(isinstance(texts, dict) for texts in (metadata, scalars, left_out)))
    _demand(all(isinstance(text, str) for text in metadata.values()))
    _demand(all(isinstance(value, int | float | str) for value in scalars.values()))
    _demand(all(isinstance(values, list) for values in (entries, notes, files)))
    checked = tuple(map(_entry, entries))
    _demand(len({entry.name for entry in checked}) == len(checked))
    lines = tuple(map(_line, notes))
    reasons = {_line(name): _line(reason) for name, reason in left_out.items()}
    names = tuple(map(_file, files))
    return Index(checked, _line(format), layout, lines, metadata, scalars, reasons, names)


def _parsed(raw: bytes, length: int) -> list[Any]:
    try:
        value = parsed(raw, Budget(len(raw), RefusedError))
    except RefusedError as error:
        raise ValueError(str(error)) from error
    _demand(isinstance(value, list) and len(value) == length)
    return value  # type: ignore[no-any-return]


def _entry(fields: Any) -> Entry:
    _demand(isinstance(fields, list) and len(fields) == 3)
    name, tag, shape = fields
    _demand(isinstance(tag, str) and tag in CARRIERS and is_shape(shape))
    _demand(_line(name) == name != "")
    return Entry(name, tag, tuple(shape))


def _file(name: Any) -> str:
    _demand(isinstance(name, str) and not {"/", "\0"} & set(name) and name not in ("", ".", ".."))
    return name  # type: ignore[no-any-return]


def _line(text: Any) -> str:
    _demand(isinstance(text, str) and len(text) <= _LONGEST_LINE)
    return text if text.isprintable() else ascii(text)


def _demand(holds: bool) -> None:
    if not holds:
        raise ValueError("an impossible answer")
