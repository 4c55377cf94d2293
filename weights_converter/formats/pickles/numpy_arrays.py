"""How NumPy arrays and numbers look in a pickle, under the module names of NumPy 1 and 2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Final

import numpy as np

from weights_converter.arrays.dtypes import decode, is_shape, itemsize, tag_of
from weights_converter.formats.pickles.calls import Arguments, Call
from weights_converter.formats.pickles.values import BadCall, Buildable, Global, Inert, Span

_KINDS = frozenset(
    ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1", "c8", "c16")
)
_NDARRAY = Global("numpy.ndarray")


@dataclass(eq=False, slots=True)
class ElementType(Buildable):
    """A `numpy.dtype`."""

    tag: str
    big_endian: bool = False

    def build(self, state: object) -> None:
        """State: (version, byte order, then what structured dtypes have)."""
        if type(state) is not tuple or len(state) < 5 or state[1] not in ("<", ">", "|", "="):
            raise BadCall("numpy.dtype with an odd state")
        if any(part is not None for part in state[2:5]):
            raise BadCall("numpy.dtype with fields")
        self.big_endian = state[1] == ">"


@dataclass(frozen=True, eq=False, slots=True)
class Contents:
    """What an array consists of; long data is still in the file."""

    tag: str
    big_endian: bool
    shape: tuple[int, ...]
    fortran: bool
    data: bytes | Span


@dataclass(eq=False, slots=True)
class PickledArray(Buildable):
    """A `numpy.ndarray`; empty until its state has come.

    It stays so where its dtype is not one of numbers: `unknown` stands for that dtype.
    """

    contents: Contents | None = None
    unknown: Inert | None = None

    def build(self, state: object) -> None:
        """State: (version, shape, dtype, Fortran order, bytes)."""
        if type(state) is not tuple or len(state) != 5:
            raise BadCall("numpy.ndarray with an odd state")
        _, shape, element, fortran, data = state
        self.unknown = element if isinstance(element, Inert) else None
        if self.unknown is None:
            self.contents = _contents(shape, element, fortran in (True, 1), data)


def _contents(shape: object, element: object, fortran: bool, data: object) -> Contents:
    data = _binary(data)
    if type(shape) is not tuple or not is_shape(shape) or type(element) is not ElementType:
        raise BadCall("numpy.ndarray with an odd shape or dtype")
    if not isinstance(data, bytes | Span) or not _fits(data, prod(shape) * itemsize(element.tag)):
        raise BadCall(f"numpy.ndarray of shape {shape} with another number of bytes")
    return Contents(element.tag, element.big_endian, shape, fortran, data)


def _binary(value: object) -> object:
    """Python 2's strings of ASCII bytes have been read as text."""
    return value.encode("ascii") if isinstance(value, str) and value.isascii() else value


def _fits(data: bytes | Span, nbytes: int) -> bool:
    if isinstance(data, Span):
        # In UTF-8, a Latin-1 character takes one or two bytes; the count comes with the reading.
        return data.length == nbytes or (data.latin1 and nbytes <= data.length <= 2 * nbytes)
    return len(data) == nbytes


def _reconstruct(arguments: Arguments) -> object:
    """_reconstruct(numpy.ndarray, (0,), b"b") makes the array that the state then fills."""
    if len(arguments) != 3 or arguments[0] != _NDARRAY:
        raise BadCall("for something else than numpy.ndarray")
    return PickledArray()


def _from_buffer(arguments: Arguments) -> object:
    """_frombuffer(bytes, dtype, shape, "C" or "F"): what arrays are in protocol 5"""
    if len(arguments) != 4 or arguments[3] not in ("C", "F"):
        raise BadCall("with odd arguments")
    data, element, shape, order = arguments
    return PickledArray(_contents(shape, element, order == "F", data))


def _dtype(arguments: Arguments) -> object:
    """numpy.dtype("f4", False, True)"""
    code = arguments[0] if arguments else None
    if not isinstance(code, str) or code not in _KINDS:
        raise BadCall("for elements that are not numbers of a known size")
    tag = tag_of(np.dtype(code))
    if tag is None:
        raise BadCall("for elements without a tag")
    return ElementType(tag)


def _scalar(arguments: Arguments) -> object:
    """scalar(dtype, bytes): a plain number, such as the best accuracy so far."""
    element, raw = arguments if len(arguments) == 2 else (None, None)
    if not isinstance(element, ElementType):
        raise BadCall("with something else than a dtype and bytes")
    raw = _binary(raw)
    if type(raw) is not bytes or len(raw) != itemsize(element.tag):
        raise BadCall("with another number of bytes than its dtype has")
    try:
        return decode(np.frombuffer(raw, np.uint8), element.tag, element.big_endian)[0].item()
    except ValueError as error:
        raise BadCall(f"that {error}") from None


NUMPY_CALLS: Final[Mapping[str, Call]] = (
    {"numpy.dtype": _dtype}
    | {f"numpy.{core}.multiarray._reconstruct": _reconstruct for core in ("core", "_core")}
    | {f"numpy.{core}.numeric._frombuffer": _from_buffer for core in ("core", "_core")}
    | {f"numpy.{core}.multiarray.scalar": _scalar for core in ("core", "_core")}
)
NUMPY_NAMES = frozenset({_NDARRAY.name})
