"""Reads safetensors, https://huggingface.co/docs/safetensors/index: a length, JSON, the data.

The reader is our own because the library needs another package for bfloat16, and accepts names
given twice, unknown fields and booleans other than 0 and 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from math import prod

from weights_converter.arrays.dtypes import CARRIERS, Array, decode, is_shape, itemsize
from weights_converter.arrays.tensor import Checkpoint, Tensor
from weights_converter.errors import legible
from weights_converter.formats.files.array_names import check_name
from weights_converter.formats.files.budget import Budget
from weights_converter.formats.files.source import Source
from weights_converter.formats.files.strict_json import json_object

LENGTH_BYTES = 8
LONGEST_HEADER = 100_000_000  # as in the library
METADATA = "__metadata__"
# `paddle.save(..., safetensors=True)` says nothing of itself; only Paddle calls a variance so.
_PADDLE_ENDING = "._variance"
UNKNOWN = frozenset({"C128"})
_OF_AN_ARRAY = 24  # objects that the budget counts a tensor with its entry as
_FIELDS = {"dtype", "shape", "data_offsets"}


@dataclass(frozen=True)
class _Entry:
    name: str
    tag: str
    shape: tuple[int, ...]
    begin: int  # in the file
    end: int


def read_safetensors(source: Source, key: str | None) -> Checkpoint:
    """Every array of the file.

    Raises:
        RefusedError: the header is valid JSON and lies about the data.
        DamagedError: the file is truncated, or its header is not what the format asks for.
    """
    source.refuse_key(key)
    tensors, metadata = arrays_in(source, source.budget)
    return assembled(source, "safetensors", tensors, metadata)


def arrays_in(source: Source, budget: Budget) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The arrays of one file under the names that it gives them, and its metadata.

    `budget` is charged for them: that of the file, or of the set that it belongs to.
    """
    length = int.from_bytes(source.read(0, LENGTH_BYTES), "little")
    if length > LONGEST_HEADER:
        raise source.damaged(f"its header would have {length} bytes")
    raw = source.read(LENGTH_BYTES, length)
    header = json_object(source, raw, "header", budget)
    if raw[:1] != b"{":
        raise source.damaged("its header is not a JSON object")
    metadata = _metadata(source, header.pop(METADATA, {}))
    start = LENGTH_BYTES + length
    budget.charge_objects(_OF_AN_ARRAY * len(header))
    entries = [_entry(source, name, fields, start) for name, fields in header.items()]
    _check_cover(source, entries, start)
    tensors = {
        entry.name: Tensor(entry.name, entry.tag, entry.shape, partial(_load, source, entry))
        for entry in entries
    }
    return tensors, metadata


def assembled(
    source: Source, format: str, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]
) -> Checkpoint:
    """A checkpoint of arrays that no dict was around."""
    layout = "torch"
    notes: tuple[str, ...] = ()
    if any(name.endswith(_PADDLE_ENDING) for name in tensors):
        layout, notes = "paddle", ("its names are those of a Paddle model",)
    return Checkpoint(source.path, format, layout, tensors, metadata, {}, notes)


def _metadata(source: Source, metadata: object) -> dict[str, str]:
    if type(metadata) is not dict or not all(type(text) is str for text in metadata.values()):
        raise source.damaged(f"its {METADATA} does not map names to text")
    return metadata


def _entry(source: Source, name: str, fields: object, start: int) -> _Entry:
    shown = legible(check_name(source, name))
    if type(fields) is not dict or set(fields) != _FIELDS:
        raise source.refused(f"{shown} is not described by {', '.join(sorted(_FIELDS))}")
    tag, shape, offsets = fields["dtype"], fields["shape"], fields["data_offsets"]
    if not isinstance(tag, str) or tag not in CARRIERS.keys() - UNKNOWN:
        raise source.unsupported(f"stores {shown} as {legible(str(tag))}, which is not supported")
    if type(shape) is not list or not is_shape(shape):
        raise source.damaged(f"{shown} has an impossible shape")
    if type(offsets) is not list or len(offsets) != 2 or not is_shape(offsets):
        raise source.damaged(f"{shown} has impossible offsets")
    begin, end = offsets
    nbytes = prod(shape) * itemsize(tag)
    if end - begin != nbytes:
        raise source.refused(f"{shown} needs {nbytes} bytes and is given {end - begin}")
    return _Entry(name, tag, tuple(shape), start + begin, start + end)


def _check_cover(source: Source, entries: list[_Entry], start: int) -> None:
    """Every byte belongs to exactly one array; anything else hides something."""
    reached = start
    for entry in sorted(entries, key=lambda entry: (entry.begin, entry.end)):
        if entry.begin != reached:
            kind = "overlaps another array" if entry.begin < reached else "leaves a gap before it"
            raise source.refused(f"{legible(entry.name)} {kind}")
        reached = entry.end
    if reached > source.size:
        raise source.truncated(f"its arrays end at byte {reached}")
    if reached < source.size:
        raise source.refused(f"{source.size - reached} bytes follow its last array")


def _load(source: Source, entry: _Entry) -> Array:
    raw = source.array(entry.begin, entry.end - entry.begin)
    try:
        return decode(raw, entry.tag).reshape(entry.shape)
    except ValueError as error:
        raise source.refused(f"{legible(entry.name)} {error}") from None
