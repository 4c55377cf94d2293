"""Element types by their safetensors tag, and the NumPy dtype that carries the bits of each.

NumPy has neither bfloat16 nor float8; their bits travel in unsigned integers of the same width,
which no step can round, and which needs no extension package.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]

_NATIVE = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "|i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "|u1",
    "BOOL": "|b1",
    "C64": "<c8",
    "C128": "<c16",  # a name of ours: safetensors has no such type
}
_BITS_ONLY = {
    "BF16": "<u2",
    "F8_E4M3": "|u1",
    "F8_E5M2": "|u1",
    "F8_E4M3FNUZ": "|u1",
    "F8_E5M2FNUZ": "|u1",
    "F8_E8M0": "|u1",
}

CARRIERS: Final[Mapping[str, np.dtype[Any]]] = {
    tag: np.dtype(code) for tag, code in (_NATIVE | _BITS_ONLY).items()
}
FLOAT8 = frozenset(tag for tag in _BITS_ONLY if tag.startswith("F8"))
COMPLEX = frozenset({"C64", "C128"})
_TAGS: Final = {np.dtype(code): tag for tag, code in _NATIVE.items()}

MOST_AXES = 32  # of NumPy 1, where NumPy 2 has 64
_MOST_ELEMENTS = 2**58  # of the largest type they take 2**62 bytes, which NumPy can count


def itemsize(tag: str) -> int:
    """Bytes of one element."""
    return CARRIERS[tag].itemsize


def tag_of(dtype: np.dtype[Any]) -> str | None:
    """The tag of a NumPy dtype in either byte order; None if it has none."""
    return _TAGS.get(dtype.newbyteorder("<"))


def is_shape(sizes: object) -> bool:
    """Whether `sizes` is a list or tuple of sizes that an array can have."""
    if type(sizes) not in (list, tuple) or len(sizes) > MOST_AXES:  # type: ignore[arg-type]
        return False
    # bool is an int to isinstance; NumPy multiplies the other sizes of an empty array, too.
    if not all(type(size) is int and size >= 0 for size in sizes):  # type: ignore[attr-defined]
        return False
    return prod(size for size in sizes if size) <= _MOST_ELEMENTS  # type: ignore[attr-defined]


def decode(raw: NDArray[np.uint8], tag: str, big_endian: bool = False) -> Array:
    """The flat array of `tag`'s carrier dtype that the bytes `raw` stand for, without a copy.

    Bytes that may be written are put into the processor's order where they are: they must belong
    to nobody else.

    Raises:
        ValueError: a boolean is stored as something else than 0 or 1, which reads as True in one
            framework and as 2 in another.
    """
    if tag == "BOOL" and raw.size and raw.max() > 1:
        raise ValueError(f"stores the boolean {raw.max()}, expected 0 or 1")
    carrier = CARRIERS[tag]
    values = raw.view(carrier)
    return values.byteswap(inplace=values.flags.writeable) if big_endian else values
