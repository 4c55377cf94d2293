"""Reads `.npz`, a zip archive of `.npy` files: a header in Python's syntax, then the data.

https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html. The reader is our own
because NumPy's evaluates the header, believes the size in it, and takes the last of two arrays with
one name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from math import prod

import numpy as np

from weights_converter.arrays.dtypes import CARRIERS, Array, decode, is_shape, itemsize, tag_of
from weights_converter.arrays.tensor import Checkpoint, Tensor
from weights_converter.errors import legible
from weights_converter.formats.archives import zip_content, zip_read
from weights_converter.formats.archives.zip_read import Entry
from weights_converter.formats.files.array_names import check_name
from weights_converter.formats.files.source import Source
from weights_converter.formats.files.strict_json import json_object
from weights_converter.formats.safetensors.read import assembled

MAGIC = b"\x93NUMPY"
ENDING = ".npy"
METADATA = "__metadata__"  # JSON in an array of one byte string
DTYPES = "__dtypes__"  # the same: tags of arrays whose bits NumPy has no dtype for
_LENGTH_BYTES = {1: 2, 2: 4, 3: 4}
_LONGEST_HEADER = 1 << 12  # that of 32 axes is shorter
_LONGEST_TEXT = 1 << 24
_OF_AN_ARRAY = 24  # objects that the budget counts a tensor with its header as
_HEADER = re.compile(
    rb"\{'descr': '([^'\\]{1,30})', 'fortran_order': (True|False), "
    rb"'shape': \(((?:\d{1,19}L?(?:, \d{1,19}L?)*,?)?)\), \} *\n"
)
_NUMBERS = re.compile(r"[<>|=]?(?:b1|[iu][1248]|f[248]|c8|c16)")


@dataclass(frozen=True)
class _Header:
    descr: str
    fortran: bool
    shape: tuple[int, ...]
    length: int  # bytes before the data


def read_npz(source: Source, key: str | None) -> Checkpoint:
    """Every array of numbers in the archive; text is left out.

    Raises:
        RefusedError: an array needs pickle, or a header lies about the data.
        DamagedError: the archive or a header is not what the format asks for.
    """
    source.refuse_key(key)
    entries = zip_read.without_folder(source, zip_read.directory(source))
    named = {name.removesuffix(ENDING): entry for name, entry in entries.items()}
    metadata, tags = (_text(source, named.pop(name, None)) for name in (METADATA, DTYPES))
    tensors, text = {}, []
    for name, entry in named.items():
        source.budget.charge_objects(_OF_AN_ARRAY)
        tensor = _tensor(source, check_name(source, name), entry, tags)
        if tensor is None:
            text.append(legible(name))
        else:
            tensors[name] = tensor
    found = assembled(source, "npz", tensors, metadata)
    notes = (*found.notes, f"left out: {', '.join(text[:8])}") if text else found.notes
    return Checkpoint(found.path, "npz", found.layout, found.tensors, metadata, {}, notes)


def _tensor(source: Source, name: str, entry: Entry, tags: Mapping[str, str]) -> Tensor | None:
    header = _header(source, name, entry)
    kind = header.descr.lstrip("<>|=")[:1]
    if kind in ("U", "S"):
        return None
    if kind == "O":
        raise source.refused(f"{legible(name)} holds Python objects, which only pickle can read")
    if kind == "V":
        raise source.unsupported(
            f"stores {legible(name)} as {legible(header.descr)}, which does not tell its type",
            "store bfloat16 in another format, such as safetensors",
        )
    tag = _tag(source, name, header, tags.get(name))
    nbytes = prod(header.shape) * itemsize(tag)
    if header.length + nbytes != entry.size:
        given = entry.size - header.length
        raise source.refused(f"{legible(name)} needs {nbytes} bytes and is given {given}")
    return Tensor(name, tag, header.shape, partial(_load, source, entry, header, tag))


def _tag(source: Source, name: str, header: _Header, given: str | None) -> str:
    # Anything else is not for np.dtype: it compiles what comes after a comma.
    tag = tag_of(np.dtype(header.descr)) if _NUMBERS.fullmatch(header.descr) else None
    if tag is None:
        raise source.unsupported(f"stores {legible(name)} as {legible(header.descr)}")
    if given is None:
        return tag
    if given not in CARRIERS or CARRIERS[given] != CARRIERS[tag]:
        raise source.refused(f"{legible(name)} cannot be {legible(given)}, it is {tag}")
    return given


def _header(source: Source, name: str, entry: Entry) -> _Header:
    raw = zip_content.start(source, entry, _LONGEST_HEADER)
    size = _LENGTH_BYTES.get(raw[6]) if len(raw) > 12 else None
    if not raw.startswith(MAGIC) or size is None:
        raise source.damaged(f"{legible(name)} is not an array by NumPy")
    begin = len(MAGIC) + 2 + size
    length = begin + int.from_bytes(raw[begin - size : begin], "little")
    match = _HEADER.fullmatch(raw[begin:length])
    if length > len(raw) or match is None:
        raise source.refused(f"{legible(name)} has a header that NumPy would not write for numbers")
    shape = tuple(int(part) for part in re.findall(rb"\d+", match[3]))
    if not is_shape(shape):
        raise source.damaged(f"{legible(name)} has an impossible shape")
    return _Header(match[1].decode("latin-1"), match[2] == b"True", shape, length)


def _load(source: Source, entry: Entry, header: _Header, tag: str) -> Array:
    raw = zip_content.content(source, entry.name, entry)[header.length :]
    try:
        flat = decode(raw, tag, header.descr.startswith(">"))
    except ValueError as error:
        shown = legible(entry.name.removesuffix(ENDING))
        raise source.refused(f"{shown} {error}") from None
    shaped = flat.reshape(header.shape, order="F" if header.fortran else "C")
    return np.ascontiguousarray(shaped).reshape(header.shape)


def _text(source: Source, entry: Entry | None) -> dict[str, str]:
    """The JSON object that we stored as one byte string."""
    if entry is None:
        return {}
    header = _header(source, entry.name, entry)
    if not re.fullmatch(r"\|S\d+", header.descr) or header.shape or entry.size > _LONGEST_TEXT:
        raise source.refused(f"{legible(entry.name)} is not the text that it should be")
    raw = zip_content.content(source, entry.name, entry).tobytes()[header.length :]
    text = json_object(source, raw.rstrip(b"\0"), legible(entry.name))
    if not all(isinstance(value, str) for value in text.values()):
        raise source.damaged(f"its {legible(entry.name)} does not map names to text")
    return {name: str(value) for name, value in text.items()}
