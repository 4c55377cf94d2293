"""The arrays of two checkpoints side by side, as values and as text."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weights_converter.arrays.distance import Distance
from weights_converter.arrays.tensor import Tensor
from weights_converter.errors import legible

SCHEMA = 1  # of `Diff.to_dict`
ROWS = 20  # arrays that are shown where not all are asked for
_HEADER = ("", "max abs", "max rel", "ulp", "differ")


@dataclass(frozen=True)
class Change:
    """One array of one or both files.

    Attributes:
        name: canonical, or that in the files.
        left: the array in the first file, None if it has none of this name.
        right: the same of the second file.
        distance: None where there is nothing to subtract.
        rounding: whether one is the other rounded to fewer bits, or one step away.
    """

    name: str
    left: Tensor | None
    right: Tensor | None
    distance: Distance | None
    rounding: bool = False

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
            "rounding": self.rounding,
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

    Example:
        >>> source = Request("odconv_demo/digits.pth.tar", "odconv_demo/digits.json")
        >>> half = convert(source, "half.safetensors", dtype="float16", allow_half_statistics=True)
        >>> found = diff(source, half.destination)
        >>> len(found.changes), found.different[0].name
        (151, 'features.0.0.weight')
    """

    left: Path
    right: Path
    by: str
    atol: float | None
    changes: tuple[Change, ...]

    @property
    def different(self) -> tuple[Change, ...]:
        """The arrays that are not the same.

        Returns:
            The changes beyond `atol`.
        """
        return tuple(change for change in self.changes if not change.within(self.atol))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON.

        Returns:
            What `odconv diff --json` prints.
        """
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
        return self.text()

    def text(self, rows: int | None = ROWS) -> str:
        """A summary, and the arrays that differ, the worst first.

        Args:
            rows: how many arrays are shown; None shows all that differ.

        Returns:
            Several lines.
        """
        worst = sorted(self.different, key=_nearness)
        lines = [*_summary(self), *_table(worst[:rows])]
        more = len(worst) - len(worst[:rows])
        if more > 0:
            lines.append(f"  ... and {more} more that differ; --all shows them")
        return "\n".join(lines)


def _nearness(change: Change) -> tuple[bool, bool, float]:
    """Smaller for what is worse."""
    apart = -math.inf if change.distance is None else change.distance.absolute
    return change.distance is not None, change.rounding, -apart


def _summary(found: Diff) -> Iterator[str]:
    names = [legible(path.name) for path in (found.left, found.right)]
    different = found.different
    equal = "have equal bits" if found.atol is None else f"are within {found.atol:g}"
    yield (
        f"{names[0]} and {names[1]}, by {found.by}: {len(found.changes) - len(different)} of "
        f"{len(found.changes)} arrays {equal}"
    )
    rounded = [change for change in different if change.rounding]
    apart = [change for change in different if change.distance and not change.rounding]
    shapes = [change for change in different if change.left and change.right]
    for count, deed in (
        (len(rounded), "differ by rounding alone"),
        (len(apart), f"differ{_at_most(apart)}"),
        (len(shapes) - len(rounded) - len(apart), "have other shapes"),
        (sum(change.right is None for change in different), f"only in {names[0]}"),
        (sum(change.left is None for change in different), f"only in {names[1]}"),
    ):
        if count:
            yield f"  {count} {deed}"


def _at_most(changes: list[Change]) -> str:
    worst = min(changes, key=_nearness, default=None)
    if worst is None or worst.distance is None:
        return ""
    return f", by at most {worst.distance.absolute:.3g} ({legible(worst.name)})"


def _table(changes: list[Change]) -> list[str]:
    if not changes:
        return []
    rows = [_HEADER, *map(_row, changes)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def _row(change: Change) -> tuple[str, ...]:
    found = change.distance
    if found is None:
        return legible(change.name), f"{_shown(change.left)} | {_shown(change.right)}", "", "", ""
    differ = f"{found.unequal} of {found.size}"
    if change.left and change.right and change.left.dtype != change.right.dtype:
        differ += f", {change.left.dtype} | {change.right.dtype}"
    return (
        legible(change.name),
        f"{found.absolute:.3g}",
        f"{found.relative:.3g}",
        "" if found.ulp is None else str(found.ulp),
        differ,
    )


def _shown(tensor: Tensor | None) -> str:
    return "missing" if tensor is None else f"{tensor.shape} {tensor.dtype}"


def _form(tensor: Tensor | None) -> dict[str, Any] | None:
    return None if tensor is None else {"dtype": tensor.dtype, "shape": list(tensor.shape)}
