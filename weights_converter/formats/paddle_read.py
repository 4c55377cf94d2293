"""Reads `.pdparams`: one pickle of NumPy arrays, without ever unpickling it.

`paddle.load` runs whatever a file asks it to run
(https://github.com/PaddlePaddle/Paddle/blob/develop/SECURITY.md), so it is never used here.
"""

from __future__ import annotations

from functools import partial
from math import prod

import numpy as np
from numpy.typing import NDArray

from weights_converter.dtypes import Array, decode, itemsize
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
from weights_converter.formats.source import Source
from weights_converter.tensor import Checkpoint, Tensor


def read_paddle(source: Source, key: str | None) -> Checkpoint:
    """The state dict in the pickle; long arrays stay in the file until they are loaded.

    Raises:
        RefusedError: the pickle does anything else than describe arrays and plain values.
        DamagedError: it is truncated or makes no sense.
    """
    with source.open() as handle:
        content = Machine(Stream(source, handle, 0, source.size), PADDLE).run()
    notes: tuple[str, ...] = ()
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
        parts = [_load(source, name, part).reshape(-1) for part in array.parts]
        return np.concatenate(parts).reshape(array.shape)
    raw = _raw(source, array)
    try:
        flat = decode(raw, array.tag, array.big_endian)
    except ValueError as error:
        raise source.refused(f"{legible(name)} {error}") from None
    shaped = flat.reshape(array.shape, order="F" if array.fortran else "C")
    return shaped.copy(order="C") if array.fortran else shaped


def _raw(source: Source, array: Contents) -> NDArray[np.uint8]:
    data = array.data
    if isinstance(data, bytes):
        return np.frombuffer(data, np.uint8).copy()
    raw = source.array(data.offset, data.length)
    return _from_latin1(source, raw, array) if data.latin1 else raw


def _from_latin1(source: Source, text: NDArray[np.uint8], array: Contents) -> NDArray[np.uint8]:
    """Bytes from the text that protocol 2 makes of them; takes three times their size."""
    try:
        raw = bytearray(text.tobytes().decode("utf-8").encode("latin-1"))
    except UnicodeError:
        raise source.damaged(f"the bytes of an array of shape {array.shape} are garbled") from None
    if len(raw) != prod(array.shape) * itemsize(array.tag):
        raise source.damaged(f"an array of shape {array.shape} has {len(raw)} bytes")
    return np.frombuffer(raw, np.uint8)
