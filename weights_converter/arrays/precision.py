"""Floating-point numbers from one width to another, rounded to the nearest, ties to even.

bfloat16 and float8 have no NumPy dtype; their bits travel in unsigned integers (see `dtypes`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from weights_converter.arrays.dtypes import CARRIERS, COMPLEX, FLOAT8, Array

# (bits of the exponent, bits of the fraction). F8_E4M3 is the kind without infinities that torch
# calls float8_e4m3fn, https://arxiv.org/abs/2209.05433; those of FNUZ have neither infinities nor
# a negative zero, whose pattern is their one NaN, https://arxiv.org/abs/2206.02915
_FLOAT8: Final[Mapping[str, tuple[int, int]]] = {
    "F8_E4M3": (4, 3),
    "F8_E5M2": (5, 2),
    "F8_E4M3FNUZ": (4, 3),
    "F8_E5M2FNUZ": (5, 2),
}
# F8_E8M0 is none of them: a power of two without a sign, by which other numbers are scaled.
FLOATS = frozenset({"F64", "F32", "F16", "BF16", *_FLOAT8})
LARGEST: Final[Mapping[str, float]] = {
    "F64": float(np.finfo("f8").max),
    "F32": float(np.finfo("f4").max),
    "F16": 65504.0,
    "BF16": float(np.ldexp(255.0, 120)),
}
_QUIET = np.uint16(0x40)  # the highest bit of bfloat16's fraction: a NaN that raises no signal


def numbers(array: Array, tag: str) -> Array:
    """The numbers that the bits of `array` stand for, exactly, in a dtype that NumPy knows.

    Arrays of a NumPy dtype are returned as they are; the others become float32, which holds all of
    their values.
    """
    if tag == "BF16":
        return (array.astype("<u4") << 16).view("<f4")
    if tag in FLOAT8:
        return (_scales() if tag == "F8_E8M0" else _float8_values(tag))[array]
    return array


def as_reals(array: Array, tag: str) -> tuple[Array, str]:
    """The flat array and its tag; of complex numbers the real and imaginary parts in turns."""
    if tag not in COMPLEX:
        return array, tag
    parts = array.view(array.real.dtype)
    return parts, f"F{8 * parts.itemsize}"


def rounded(array: Array, tag: str, target: str) -> Array:
    """`array` of the float type `tag` as the float type `target` ("F64", "F32", "F16", "BF16").

    Too large numbers become infinite and too small ones zero or subnormal, as IEEE 754 has it. A
    NaN stays one, with the payload bits that there is room for.
    """
    if tag == target:
        return array
    exact = numbers(array.reshape(-1), tag)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        if target == "BF16":
            flat = _bfloat16(_odd_float32(exact))
        else:
            flat = exact.astype(CARRIERS[target])
    return flat.reshape(array.shape)


def _bfloat16(array: Array) -> Array:
    """Flat float32 as the bits of bfloat16, its upper half."""
    bits = array.view("<u4")
    # Half of the last place that stays, less one where that is even already, carries or does not.
    upper: Array = ((bits + (0x7FFF + ((bits >> 16) & 1))) >> 16).astype("<u2")
    # The payload of a NaN may be in the lower half alone: without it, an infinity would remain.
    nan = np.isnan(array)
    upper[nan] = (bits[nan] >> 16).astype("<u2") | _QUIET
    return upper


def _odd_float32(wide: Array) -> Array:
    """Any flat floats as float32, of which a second rounding to fewer bits gives the right result.

    float64 is rounded towards zero, and the last bit set where that was inexact ("round to odd"),
    so that no tie appears that is none. https://doi.org/10.1109/TC.2007.70819
    """
    single = wide.astype("<f4")
    if wide.dtype.itemsize > single.dtype.itemsize:
        inexact = (single != wide) & ~np.isnan(wide)
        bits = single.view("<u4")
        bits -= np.abs(single.astype("<f8")) > np.abs(wide)
        bits |= inexact
    return single


def _float8_values(tag: str) -> Array:
    """The float32 that each of the 256 patterns stands for."""
    exponent_bits, fraction_bits = _FLOAT8[tag]
    fnuz = tag.endswith("FNUZ")
    bits = np.arange(256)
    bias = 2 ** (exponent_bits - 1) - (0 if fnuz else 1)
    fraction = bits % 2**fraction_bits
    exponent = (bits >> fraction_bits) % 2**exponent_bits
    hidden = np.where(exponent > 0, 2**fraction_bits, 0)
    values = np.ldexp(hidden + fraction, np.maximum(exponent, 1) - bias - fraction_bits)
    largest = exponent == 2**exponent_bits - 1
    if tag == "F8_E5M2":
        values = np.where(largest, np.where(fraction == 0, np.inf, np.nan), values)
    elif tag == "F8_E4M3":
        values = np.where(largest & (fraction == 2**fraction_bits - 1), np.nan, values)
    values = np.where(bits < 128, values, -values)
    return np.where(fnuz & (bits == 128), np.nan, values).astype("<f4")


def _scales() -> Array:
    """The same of F8_E8M0: 2**-127 to 2**127, and a NaN."""
    values = np.ldexp(np.float32(1), np.arange(256) - 127)
    return np.where(np.arange(256) == 255, np.nan, values).astype("<f4")
