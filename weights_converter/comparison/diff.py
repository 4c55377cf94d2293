"""What changed between two checkpoints: array by array, in numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weights_converter.arrays.distance import Distance, distance
from weights_converter.arrays.tensor import Tensor
from weights_converter.comparison.pairs import pair_of
from weights_converter.errors import MismatchError, RefusedError, UsageError, legible
from weights_converter.formats.files.open_files import kept_open
from weights_converter.identify.backbones import describe
from weights_converter.identify.open_model import open_checkpoints
from weights_converter.identify.request import Request

SCHEMA = 1  # of `Diff.to_dict`


@dataclass(frozen=True)
class Change:
    """One array of one or both files. `distance` is None where there is nothing to subtract."""

    name: str
    left: Tensor | None
    right: Tensor | None
    distance: Distance | None

    def within(self, atol: float | None) -> bool:
        """Whether the values are at most `atol` apart; None asks for equal bits."""
        if self.distance is None or self.left is None or self.right is None:
            return False
        if atol is not None:
            return self.distance.absolute <= atol
        return self.left.dtype == self.right.dtype and not self.distance.unequal

    def to_dict(self) -> dict[str, Any]:
        found = self.distance
        return {
            "name": self.name,
            "left": _form(self.left),
            "right": _form(self.right),
            "unequal": found and found.unequal,
            # JSON has no infinity
            "max_abs": found and (found.absolute if math.isfinite(found.absolute) else "inf"),
            "max_rel": found and found.relative,
            "max_ulp": found and found.ulp,
        }


@dataclass(frozen=True)
class Diff:
    """The arrays of two files side by side.

    Attributes:
        left: the first file.
        right: the second file.
        by: what gave the arrays their names.
        atol: the largest difference that is none; None asks for equal bits.
        changes: of every array, in the order of the first file, equal ones included.
    """

    left: Path
    right: Path
    by: str
    atol: float | None
    changes: tuple[Change, ...]

    @property
    def different(self) -> tuple[Change, ...]:
        """The arrays that are not the same."""
        return tuple(change for change in self.changes if not change.within(self.atol))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "schema": SCHEMA,
            "left": self.left.name,
            "right": self.right.name,
            "by": self.by,
            "atol": self.atol,
            "different": len(self.different),
            "arrays": [change.to_dict() for change in self.changes],
        }

    def __str__(self) -> str:
        names = f"{legible(self.left.name)} and {legible(self.right.name)}"
        equal = len(self.changes) - len(self.different)
        what = "have equal bits" if self.atol is None else f"are within {self.atol:g}"
        head = f"{names}, by {self.by}: {equal} of {len(self.changes)} arrays {what}"
        rows = [_row(change) for change in self.different]
        if not rows:
            return head
        header = ("", "max abs", "max rel", "ulp", "differ")
        widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in (header, *rows)]
        return "\n".join([head, *(f"  {line}" for line in lines)])


def diff(
    left: str | Path | Request, right: str | Path | Request, *, atol: float | None = None
) -> Diff:
    """Compares two checkpoints of any formats, two arrays in memory at a time.

    Where both are of one model, arrays are compared by canonical name and in canonical axes;
    otherwise by their names in the files.

    Args:
        left: a checkpoint.
        right: another. A model that is asked for is that of both files, whichever request has it.
        atol: the largest absolute difference that is none; None asks for equal bits.

    Raises:
        ConverterError: a file cannot be read. Differences do not raise; see `Diff.different`.
    """
    if atol is not None and not 0 <= atol < math.inf:
        raise UsageError(f"expected a tolerance of 0 or more, received {atol}")
    first, second = Request.of(left), Request.of(right)
    by, in_first, in_second = _matched(first, second)
    with kept_open():
        changes = tuple(_changes(in_first, in_second))
    return Diff(Path(first.path), Path(second.path), by, atol, changes)


def _matched(
    left: Request, right: Request
) -> tuple[str, Mapping[str, Tensor], Mapping[str, Tensor]]:
    """What the names are by, and the arrays of both files."""
    files = open_checkpoints(left, right)
    try:
        first, second = pair_of(left, right, files)
    except (MismatchError, RefusedError):
        if left.names_model or right.names_model:
            raise
        return "the names in the files", files[0].tensors, files[1].tensors
    return describe(first.spec), first.tensors, second.tensors


def _changes(left: Mapping[str, Tensor], right: Mapping[str, Tensor]) -> Iterator[Change]:
    for name in [*left, *(name for name in right if name not in left)]:
        first, second = left.get(name), right.get(name)
        found = None
        if first is not None and second is not None and first.shape == second.shape:
            found = distance(first.load(), first.dtype, second.load(), second.dtype)
        yield Change(name, first, second, found)


def _row(change: Change) -> tuple[str, ...]:
    found = change.distance
    if found is None:
        return legible(change.name), f"{_shown(change.left)} | {_shown(change.right)}", "", "", ""
    steps = "" if found.ulp is None else str(found.ulp)
    differ = f"{found.unequal} of {found.size}"
    if change.left and change.right and change.left.dtype != change.right.dtype:
        differ += f", {change.left.dtype} | {change.right.dtype}"
    return (
        legible(change.name),
        f"{found.absolute:.3g}",
        f"{found.relative:.3g}",
        steps,
        differ,
    )


def _shown(tensor: Tensor | None) -> str:
    return "missing" if tensor is None else f"{tensor.shape} {tensor.dtype}"


def _form(tensor: Tensor | None) -> dict[str, Any] | None:
    return None if tensor is None else {"dtype": tensor.dtype, "shape": list(tensor.shape)}
