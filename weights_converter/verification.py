"""Bit for bit comparison of two checkpoints of any format."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from weights_converter import formats
from weights_converter.dtypes import Array
from weights_converter.errors import MismatchError, legible
from weights_converter.inference import Stages, describe
from weights_converter.tensor import Tensor
from weights_converter.weights import Model, Weights, open_weights, resolve_spec


@dataclass(frozen=True)
class Difference:
    """One array that is not the same in two files."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"  {self.name}  {self.reason}"


@dataclass(frozen=True)
class Comparison:
    """The result of comparing all arrays of two checkpoints of one model."""

    left: Path
    right: Path
    model: str
    arrays: int
    differences: tuple[Difference, ...]

    @property
    def equal(self) -> bool:
        return not self.differences

    def demand_equal(self) -> Comparison:
        """Itself. Raises MismatchError where an array differs."""
        if self.differences:
            raise MismatchError(str(self))
        return self

    def __str__(self) -> str:
        equal = self.arrays - len(self.differences)
        names = f"{legible(self.left.name)} and {legible(self.right.name)}"
        head = f"{names}: {equal} of {self.arrays} arrays "
        head += f"of {self.model} have equal bits"
        return "\n".join([head, *map(str, self.differences)])


def verify(
    left: str | Path, right: str | Path, model: Model = None, *, stages: Stages | None = None
) -> Comparison:
    """Compares two checkpoints, whatever their formats, bit for bit.

    Raises:
        ConverterError: a file cannot be read or is not of the model. Differences between values do
            not raise; see `Comparison.equal`.
    """
    first = open_weights(left, _spec(left, right, model, stages))
    return compare(first, open_weights(right, first.spec))


def compare(left: Weights, right: Weights) -> Comparison:
    found = (_difference(tensor, right.tensors[name]) for name, tensor in left.tensors.items())
    return Comparison(
        left.source.path,
        right.source.path,
        describe(left.spec),
        len(left.tensors),
        tuple(difference for difference in found if difference is not None),
    )


def _spec(left: str | Path, right: str | Path, model: Model, stages: Stages | None) -> Model:
    """The spec of two files, of which one may know more about itself than the other."""
    if model is not None or stages is not None:
        return resolve_spec(formats.read(left), model, stages)
    named = [c for c in map(formats.read, (left, right)) if "odconv.spec" in c.metadata]
    return resolve_spec(named[0], None, None) if named else None


def _difference(left: Tensor, right: Tensor) -> Difference | None:
    if left.dtype != right.dtype:
        return Difference(left.name, f"{left.dtype} against {right.dtype}")
    first, second = left.load(), right.load()
    unequal = _bits(first) != _bits(second)
    if not unequal.any():
        return None
    reason = f"{int(unequal.sum())} of {first.size} values differ"
    return Difference(left.name, f"{reason}{_largest(first, second)}")


def _bits(array: Array) -> Array:
    """The array as unsigned integers, in which NaN equals itself and -0.0 is not 0.0."""
    return np.ascontiguousarray(array).view(np.dtype(f"u{array.dtype.itemsize}"))


def _largest(first: Array, second: Array) -> str:
    if first.dtype.kind != "f":
        return ""
    with np.errstate(invalid="ignore", over="ignore"):
        distance = np.abs(np.subtract(first, second, dtype=np.float64))
    return f", by at most {np.nanmax(distance, initial=0):.3g}"
