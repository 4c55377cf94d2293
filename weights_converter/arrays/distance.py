"""How far the values of two arrays are apart, computed a piece at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weights_converter.arrays.dtypes import CARRIERS, COMPLEX, Array
from weights_converter.arrays.precision import FLOATS, LARGEST, as_reals, numbers, rounded

_CHUNK = 1 << 16  # elements


@dataclass(frozen=True)
class Distance:
    """The largest distances between values at the same place.

    A NaN is as far from any number as can be, and not at all from another NaN.

    Attributes:
        size: number of values, of which a complex number has two.
        unequal: how many of them differ in their bits, or in value where the dtypes differ.
        absolute: |a - b|.
        relative: |a - b| / max(|a|, |b|), at most 2.
        ulp: how many numbers of the dtype lie between a and b, and one; None where the dtypes
            differ or are no floats.
    """

    size: int = 0
    unequal: int = 0
    absolute: float = 0.0
    relative: float = 0.0
    ulp: int | None = None

    def __add__(self, other: Distance) -> Distance:
        steps = [ulp for ulp in (self.ulp, other.ulp) if ulp is not None]
        return Distance(
            self.size + other.size,
            self.unequal + other.unequal,
            max(self.absolute, other.absolute),
            max(self.relative, other.relative),
            max(steps, default=None),
        )

    def __str__(self) -> str:
        text = f"{self.unequal} of {self.size} values differ, by at most {self.absolute:.3g}"
        return text if self.ulp is None else f"{text}, {self.ulp} ulp"


def distance(left: Array, left_tag: str, right: Array, right_tag: str) -> Distance:
    """Between two arrays of one shape, whose dtypes the tags name."""
    if (left_tag in COMPLEX) != (right_tag in COMPLEX):
        left, left_tag = _as_complex(left, left_tag)
        right, right_tag = _as_complex(right, right_tag)
    first, left_tag = as_reals(left.reshape(-1), left_tag)
    second, right_tag = as_reals(right.reshape(-1), right_tag)
    total = Distance()
    for start in range(0, len(first), _CHUNK):
        piece = slice(start, start + _CHUNK)
        total += _distance(first[piece], left_tag, second[piece], right_tag)
    return total


def differs_by_rounding(
    left: Array, left_tag: str, right: Array, right_tag: str, found: Distance
) -> bool:
    """Whether one array is the other rounded to fewer bits or, of one dtype, a step away at most.

    Args:
        left: an array.
        left_tag: its dtype.
        right: another of its shape.
        right_tag: its dtype.
        found: `distance` of the two.
    """
    if left_tag == right_tag:
        return found.unequal > 0 and found.ulp is not None and found.ulp <= 1
    if not {left_tag, right_tag} <= LARGEST.keys():
        return False
    return any(
        not distance(rounded(wide, tag, narrow_tag), narrow_tag, narrow, narrow_tag).unequal
        for wide, tag, narrow, narrow_tag in (
            (left, left_tag, right, right_tag),
            (right, right_tag, left, left_tag),
        )
    )


def _as_complex(array: Array, tag: str) -> tuple[Array, str]:
    return numbers(array, tag).astype(CARRIERS["C128"]), "C128"


def _distance(left: Array, left_tag: str, right: Array, right_tag: str) -> Distance:
    a, b = (numbers(left, left_tag), numbers(right, right_tag))
    same = left_tag == right_tag
    differ = _bits(left) != _bits(right) if same else _differ(a, b)
    if not differ.any():
        return Distance(left.size, ulp=0 if same and left_tag in FLOATS else None)
    a, b = a[differ].astype("<f8"), b[differ].astype("<f8")
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        apart = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b))
        larger = np.maximum(np.abs(a), np.abs(b))
        relative = np.abs(a / larger - b / larger)  # which cannot overflow
    apart[np.isnan(apart)] = math.inf
    relative[apart == 0] = 0
    relative[np.isnan(relative)] = 2
    ulp = None
    if same and left_tag in FLOATS:
        countable = np.isfinite(a) & np.isfinite(b)
        ulp = _ulp(_bits(left)[differ][countable], _bits(right)[differ][countable])
    return Distance(left.size, int(differ.sum()), float(apart.max()), float(relative.max()), ulp)


def _differ(a: Array, b: Array) -> NDArray[np.bool_]:
    both_nan = np.zeros(a.shape, bool)
    if a.dtype.kind == b.dtype.kind == "f":
        both_nan = np.isnan(a) & np.isnan(b)
    unequal: NDArray[np.bool_] = (a != b) & ~both_nan
    return unequal


def _ulp(left: Array, right: Array) -> int:
    """Steps between floats given as bits, of which the highest is the sign."""
    places = 8 * left.dtype.itemsize - 1
    first, second = left.astype("<u8"), right.astype("<u8")
    mask = np.uint64((1 << places) - 1)
    a, b = first & mask, second & mask  # distances from zero
    same_sign = (first ^ second) >> np.uint64(places) == 0
    steps = np.where(same_sign, np.maximum(a, b) - np.minimum(a, b), a + b)
    return int(steps.max(initial=0))


def _bits(array: Array) -> Array:
    """Flat, as unsigned integers, in which NaN equals itself and -0.0 is not 0.0."""
    return array.view(CARRIERS[f"U{8 * array.dtype.itemsize}"])
