"""Which arrays change their dtype on the way, and what their values lose by it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from odconv_spec import Parameter, Role
from weights_converter.arrays.dtypes import CARRIERS, Array
from weights_converter.arrays.precision import FLOATS, numbers, rounded
from weights_converter.arrays.tensor import Tensor
from weights_converter.errors import RefusedError, UsageError, legible

KEEP = "keep"
# What a user may ask for -> the tag that all floats get.
DTYPES: Final[Mapping[str, str]] = {
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "float64": "F64",
}
_HALF = frozenset({"F16", "BF16"})
_STATISTICS = (Role.NORM_MEAN, Role.NORM_VARIANCE)
_CHUNK = 1 << 16  # elements; what the processor's cache holds


@dataclass(frozen=True)
class Loss:
    """What rounding to another dtype has done to an array.

    Attributes:
        overflowed: finite values that became infinite.
        largest: the largest magnitude among those.
        flushed: values other than zero that became zero.
        relative_error: the largest |rounded - value| / |value| of all other finite values.
    """

    overflowed: int = 0
    largest: float = 0.0
    flushed: int = 0
    relative_error: float = 0.0

    def __add__(self, other: Loss) -> Loss:
        return Loss(
            self.overflowed + other.overflowed,
            max(self.largest, other.largest),
            self.flushed + other.flushed,
            max(self.relative_error, other.relative_error),
        )


def check_dtype(dtype: str) -> None:
    """Raises UsageError for a dtype that nothing can be cast to."""
    if dtype != KEEP and dtype not in DTYPES:
        known = ", ".join((KEEP, *DTYPES))
        raise UsageError(f"unknown dtype {legible(dtype)}", help=f"known: {known}")


def cast_tag(tag: str, dtype: str) -> str:
    """The tag that an array of `tag` gets where `dtype` is asked for: floats only are cast."""
    return DTYPES[dtype] if dtype != KEEP and tag in FLOATS else tag


def cast(array: Array, tag: str, target: str) -> Array:
    """The array as `target`, a piece at a time: nothing but the result takes memory."""
    if tag == target:
        return array
    result = np.empty(array.shape, CARRIERS[target])
    old, new = array.reshape(-1), result.reshape(-1)
    for start in range(0, len(old), _CHUNK):
        new[start : start + _CHUNK] = rounded(old[start : start + _CHUNK], tag, target)
    return result


def loss(array: Array, tag: str, result: Array, target: str) -> Loss:
    """What the cast of `array` to `result` has lost."""
    total = Loss()
    if tag != target:
        old, new = array.reshape(-1), result.reshape(-1)
        for start in range(0, len(old), _CHUNK):
            piece = slice(start, start + _CHUNK)
            total += _loss(numbers(old[piece], tag), numbers(new[piece], target))
    return total


def _loss(exact: Array, result: Array) -> Loss:
    exact, result = exact.astype("<f8"), result.astype("<f8")
    # Everywhere but in odd places, where NaN and zero divide.
    with np.errstate(divide="ignore", invalid="ignore"):
        errors = np.abs(result - exact) / np.abs(exact)
    overflowed = np.isinf(result) & np.isfinite(exact)
    flushed = (result == 0) & (exact != 0)
    return Loss(
        int(overflowed.sum()),
        float(np.abs(exact[overflowed]).max(initial=0)),
        int(flushed.sum()),
        float(errors[np.isfinite(errors) & ~overflowed & ~flushed].max(initial=0)),
    )


def check_statistics(
    tensors: Mapping[str, Tensor], parameters: Iterable[Parameter], dtype: str
) -> None:
    """Raises RefusedError where `dtype` would round a batch norm's statistics to half precision.

    A running variance is often smaller than float16's smallest normal number, and divides.
    """
    if DTYPES.get(dtype) not in _HALF:
        return
    rounded_ones = [
        parameter.name
        for parameter in parameters
        if parameter.role in _STATISTICS and tensors[parameter.name].dtype not in _HALF
    ]
    if rounded_ones:
        raise RefusedError(
            f"--dtype {dtype} would round the running statistics of batch norms to half precision: "
            f"{len(rounded_ones)} arrays, such as {rounded_ones[0]}",
            help="pass --allow-half-statistics if that is meant",
        )
