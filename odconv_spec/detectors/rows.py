"""Rows of classes in the order of one code, and of another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from odconv_spec.detectors.codes import CODES

ROWS: Final[Mapping[str, int]] = {"scores": 1, "boxes": 4, "masks": 1}  # of a class, by part


class Move(NamedTuple):
    """Which rows of an array go where: `zeros` rows of 0, then the slices, one after the other."""

    zeros: int
    slices: tuple[slice, ...]


def in_other_order(part: str, source: str, target: str, classes: int) -> Move | None:
    """How an array with rows of classes changes from one code to another.

    Args:
        part: of the detector, such as "scores".
        source: name of the code that it is of.
        target: name of the code that it is for.
        classes: without the background.

    Returns:
        The change along the first axis, None where there is none. Rows that only the target has
        are zero: those of the background's box and mask, which nothing reads.

    Example:
        >>> in_other_order("scores", "mmdetection", "torchvision", 80)
        Move(zeros=0, slices=(slice(80, 81, None), slice(0, 80, None)))
        >>> in_other_order("boxes", "mmdetection", "torchvision", 80)
        Move(zeros=4, slices=(slice(0, 320, None),))
    """
    if part not in ROWS:
        return None
    before = CODES[source].background.get(part)
    after = CODES[target].background.get(part)
    if before == after:
        return None
    one, rows = ROWS[part], ROWS[part] * classes
    start = one if before == "first" else 0
    objects = slice(start, start + rows)
    if after is None:
        return Move(0, (objects,))
    if before is None:
        return Move(one, (objects,))
    background = slice(0, one) if before == "first" else slice(rows, rows + one)
    return Move(0, (background, objects) if after == "first" else (objects, background))


def rows_of(part: str, code: str, classes: int) -> int:
    """How many rows the array of a part has in a code."""
    return ROWS[part] * (classes + (part in CODES[code].background))
