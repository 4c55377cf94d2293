"""A look at the values of every array on its way: what they are, and what a cast loses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from weights_converter.arrays.casting import Loss, loss
from weights_converter.arrays.dtypes import Array
from weights_converter.arrays.precision import LARGEST, as_reals, numbers
from weights_converter.arrays.tensor import TensorInfo
from weights_converter.errors import RefusedError

_CHUNK = 1 << 16  # elements
_FEW = 256  # elements too few for a histogram
_SAMPLE = 1 << 11  # elements that one is made of
_BINS = 24
_LEAST_RANGE = 1e-9  # relative; bins of less have no width in float64
_MOST_LINES = 12


@dataclass(frozen=True)
class Values:
    """What the values of an array are; the range is that of the finite ones, None without any."""

    minimum: float | None = None
    maximum: float | None = None
    nan: int = 0
    inf: int = 0
    first_nonfinite: int | None = None

    def __str__(self) -> str:
        kinds = [f"{count} {kind}" for count, kind in ((self.nan, "NaN"), (self.inf, "Inf"))]
        found = " and ".join(text for text in kinds if not text.startswith("0 "))
        return f"{found} (first at index {self.first_nonfinite})"


@dataclass(frozen=True)
class Finding:
    """One array, before and after its cast. `histogram` counts values from minimum to maximum."""

    name: str
    shape: tuple[int, ...]
    before: str
    after: str
    values: Values
    loss: Loss
    histogram: tuple[int, ...] = ()
    sha256: str | None = None


class Survey:
    """What was found of each array on its way.

    Args:
        dtype: "keep", or what floats are cast to.
    """

    def __init__(self, dtype: str) -> None:
        self._dtype = dtype
        self._findings: dict[str, Finding] = {}

    def look(self, tensor: TensorInfo, array: Array, result: Array, after: str) -> None:
        """Notes the values of `array`, and what it has lost where `result` is it as `after`."""
        values = values_of(array, tensor.dtype)
        lost = loss(array, tensor.dtype, result, after)
        bars = _histogram(array, tensor.dtype, values)
        finding = Finding(tensor.name, tensor.shape, tensor.dtype, after, values, lost, bars)
        self._findings[tensor.name] = finding

    def findings(self, digests: Mapping[str, str]) -> dict[str, Finding]:
        """Of each array by name, with its digest where there is one."""
        return {n: replace(f, sha256=digests.get(n)) for n, f in self._findings.items()}

    def demand(self, allow_nonfinite: bool, allow_overflow: bool) -> None:
        """Raises RefusedError for values that nobody has said to want."""
        found = self._findings.values()
        if not allow_nonfinite:
            _refuse(
                [f"{f.name} has {f.values}" for f in found if f.values.nan or f.values.inf],
                help="--allow-nonfinite keeps them",
            )
        if not allow_overflow:
            _refuse(
                [_overflow(self._dtype, f) for f in found if f.loss.overflowed],
                help="use --dtype bfloat16, or let them be Inf with --allow-overflow",
            )


def values_of(array: Array, tag: str) -> Values:
    """The range of the array, and what in it is not finite."""
    flat, tag = as_reals(array.reshape(-1), tag)
    found = Values()
    for start in range(0, len(flat), _CHUNK):
        found = _merged(found, _values(numbers(flat[start : start + _CHUNK], tag), start))
    return found


def _values(piece: Array, start: int) -> Values:
    low, high = piece.min(), piece.max()
    if np.isfinite(low) and np.isfinite(high):  # a NaN would be both
        return Values(float(low), float(high))
    finite = np.isfinite(piece)
    nan = int(np.isnan(piece).sum())
    inf = int(piece.size - finite.sum()) - nan
    first = start + int(finite.argmin())
    if not finite.any():
        return Values(None, None, nan, inf, first)
    kept = piece[finite]
    return Values(float(kept.min()), float(kept.max()), nan, inf, first)


def _merged(first: Values, second: Values) -> Values:
    lows = [v.minimum for v in (first, second) if v.minimum is not None]
    highs = [v.maximum for v in (first, second) if v.maximum is not None]
    places = [v.first_nonfinite for v in (first, second) if v.first_nonfinite is not None]
    return Values(
        min(lows, default=None),
        max(highs, default=None),
        first.nan + second.nan,
        first.inf + second.inf,
        min(places, default=None),
    )


def _histogram(array: Array, tag: str, values: Values) -> tuple[int, ...]:
    """Counts of a sample of the array, at even distances; nothing for a small one."""
    flat, tag = as_reals(array.reshape(-1), tag)
    if flat.size < _FEW:
        return ()
    with np.errstate(invalid="ignore"):  # of NaNs that signal
        sample = numbers(flat[:: -(-len(flat) // _SAMPLE)], tag).astype("<f8")
    sample = sample[np.isfinite(sample)]
    low, high = values.minimum, values.maximum
    if not sample.size or low is None or high is None:
        return ()
    scale = max(abs(low), abs(high), np.finfo("<f8").tiny)  # the range itself may overflow
    low, high = low / scale, high / scale
    if high - low < _LEAST_RANGE:
        return ()
    places = ((sample / scale - low) * (_BINS / (high - low))).astype(int)
    # The largest value belongs to the last bin, as those do that rounding puts beyond it.
    return tuple(map(int, np.bincount(places.clip(0, _BINS - 1), minlength=_BINS)))


def _overflow(dtype: str, finding: Finding) -> str:
    lost = finding.loss
    limit = f"{LARGEST[finding.after]:.6g}"
    values = "1 value" if lost.overflowed == 1 else f"{lost.overflowed} values"
    return (
        f"--dtype {dtype} would turn {values} of {finding.name} into Inf "
        f"(max |x| {_number(lost.largest)} > {limit})"
    )


def _number(value: float) -> str:
    return f"{value:.1f}" if value < 1e6 else f"{value:.6g}"


def _refuse(lines: list[str], help: str) -> None:
    if lines:
        more = len(lines) - _MOST_LINES
        shown = lines if more <= 0 else [*lines[:_MOST_LINES], f"... and {more} more like this"]
        raise RefusedError("\n".join(shown), help)
