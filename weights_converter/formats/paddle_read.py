"""Reads `.pdparams`: one pickle of NumPy arrays, without ever unpickling it.

`paddle.load` runs whatever a file asks it to run
(https://github.com/PaddlePaddle/Paddle/blob/develop/SECURITY.md), so it is never used here.
"""

from __future__ import annotations

import codecs
from functools import partial
from math import prod

import numpy as np
from numpy.typing import NDArray

from weights_converter.dtypes import CARRIERS, Array, decode, itemsize
from weights_converter.errors import legible
from weights_converter.formats import state_dict
from weights_converter.formats.paddle_calls import (
    NAME_TABLE,
    PADDLE,
    SplitArray,
    array_in,
    joined,
)
from weights_converter.formats.pickle_machine import Machine
from weights_converter.formats.pickle_numpy import Contents
from weights_converter.formats.pickle_stream import Stream
from weights_converter.formats.pickle_values import Span
from weights_converter.formats.source import CHUNK, Source
from weights_converter.tensor import Checkpoint, Tensor

_DISTRIBUTED = {".distcp", ".metadata"}


def read_paddle(source: Source, key: str | None) -> Checkpoint:
    """The state dict in the pickle; long arrays stay in the file until they are loaded.

    Raises:
        RefusedError: the pickle does anything else than describe arrays and plain values.
        DamagedError: it is truncated or makes no sense.
    """
    if source.path.suffix in _DISTRIBUTED:
        raise source.unsupported(
            "is a part of a distributed checkpoint",
            "load it with paddle.distributed.load_state_dict, then paddle.save the state dict",
        )
    with source.open() as handle:
        content = Machine(Stream(source, handle, 0, source.size), PADDLE).run()
    notes: tuple[str, ...] = ()
    if array_in(content) is not None:  # a tensor alone, which may know its name
        name = content[0] if isinstance(content, tuple) else source.path.name.partition(".")[0]
        content = {name: content}
    if isinstance(content, dict):
        if content.pop(NAME_TABLE, None) is not None:
            notes = ("left out the table of Paddle's own parameter names",)
        content = joined(source, content)
    found = state_dict.find(source, content, lambda value: array_in(value) is not None, key)
    tensors = {
        name: _tensor(source, name, array)
        for name, value in found.values.items()
        if (array := array_in(value)) is not None
    }
    return Checkpoint(
        source.path, "pdparams", "paddle", tensors, {}, found.scalars, notes + found.notes
    )


def _tensor(source: Source, name: str, array: Contents | SplitArray) -> Tensor:
    # Paddle has no uint16 tensors: it stores bfloat16 that way.
    tag = "BF16" if array.tag == "U16" else array.tag
    return Tensor(name, tag, array.shape, partial(_load, source, name, array))


def _load(source: Source, name: str, array: Contents | SplitArray) -> Array:
    if isinstance(array, SplitArray):
        return _joined(source, name, array)
    raw = _raw(source, array)
    try:
        flat = decode(raw, array.tag, array.big_endian)
    except ValueError as error:
        raise source.refused(f"{legible(name)} {error}") from None
    shaped = flat.reshape(array.shape, order="F" if array.fortran else "C")
    return shaped.copy(order="C") if array.fortran else shaped


def _joined(source: Source, name: str, array: SplitArray) -> Array:
    whole = np.empty(prod(array.shape), CARRIERS[array.tag])
    place = 0
    for part in array.parts:
        size = prod(part.shape)
        whole[place : place + size] = _load(source, name, part).reshape(-1)
        place += size
    return whole.reshape(array.shape)


def _raw(source: Source, array: Contents) -> NDArray[np.uint8]:
    data = array.data
    if isinstance(data, bytes):
        return np.frombuffer(data, np.uint8).copy()
    if data.latin1:
        return _from_latin1(source, data, array)
    return source.array(data.offset, data.length)


def _from_latin1(source: Source, data: Span, array: Contents) -> NDArray[np.uint8]:
    """Bytes from the text that protocol 2 makes of them, a piece at a time."""
    raw = np.empty(prod(array.shape) * itemsize(array.tag), np.uint8)
    decoder = codecs.getincrementaldecoder("utf-8")()
    count = 0
    for begin in range(0, data.length, CHUNK):
        length = min(CHUNK, data.length - begin)
        text = source.read(data.offset + begin, length)
        try:
            piece = decoder.decode(text, begin + length == data.length).encode("latin-1")
        except UnicodeError:
            fact = f"the bytes of an array of shape {array.shape} are garbled"
            raise source.damaged(fact) from None
        fitting = piece[: max(0, raw.size - count)]
        raw[count : count + len(fitting)] = np.frombuffer(fitting, np.uint8)
        count += len(piece)
    if count != raw.size:
        raise source.damaged(f"an array of shape {array.shape} has {count} bytes")
    return raw
