"""The elements of NumPy arrays in a pickle, read from the file when they are asked for."""

from __future__ import annotations

import codecs
from functools import partial
from math import prod

import numpy as np
from numpy.typing import NDArray

from weights_converter.arrays.dtypes import Array, decode, itemsize
from weights_converter.arrays.tensor import Tensor
from weights_converter.errors import legible
from weights_converter.formats.files.source import CHUNK, Source
from weights_converter.formats.pickles.numpy_arrays import Contents
from weights_converter.formats.pickles.values import Span


def tensor_of(source: Source, name: str, array: Contents) -> Tensor:
    """The array as a tensor that is still in its file."""
    return Tensor(name, array.tag, array.shape, partial(loaded, source, name, array))


def loaded(source: Source, name: str, array: Contents) -> Array:
    """The array, in C order. Raises RefusedError or DamagedError where its bytes are none."""
    raw = _raw(source, array)
    try:
        flat = decode(raw, array.tag, array.big_endian)
    except ValueError as error:
        raise source.refused(f"{legible(name)} {error}") from None
    del raw  # big-endian arrays have been copied; in Fortran order they are copied once more
    shaped = flat.reshape(array.shape, order="F" if array.fortran else "C")
    return shaped.copy(order="C") if array.fortran else shaped


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
