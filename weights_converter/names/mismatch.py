"""Strict comparison of what a model expects with what was found, all differences in one message."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import permutations

from weights_converter.arrays.dtypes import Array
from weights_converter.errors import MismatchError, legible

_SHOWN = 12  # lines of each kind before the message says how many more there are
_MOST_COMPARED = 2000  # missing names: where more are missing, one slip is not what is wrong
_LIKE = 0.8  # share of two names that must be equal for one to be a slip of the other


@dataclass(frozen=True)
class Form:
    """What is compared of an array. An empty dtype fits every dtype."""

    shape: tuple[int, ...]
    dtype: str = ""

    def __str__(self) -> str:
        return f"{self.shape} {self.dtype}".rstrip()


def check(
    expected: Mapping[str, Form],
    found: Mapping[str, Form],
    what: str = "the arrays",
) -> None:
    """Raises MismatchError that lists every missing, unexpected, misshapen or mistyped array.

    Args:
        expected: name -> form that the model has.
        found: name -> form that is there.
        what: the subject of the message, such as "od.pth.tar for od_resnet18".
    """
    missing = sorted(expected.keys() - found.keys())
    unexpected = sorted(found.keys() - expected.keys())
    common = [name for name in expected if name in found]
    shapes = [name for name in common if expected[name].shape != found[name].shape]
    dtypes = [n for n in common if expected[n].dtype and expected[n].dtype != found[n].dtype]
    if not (missing or unexpected or shapes or dtypes):
        return
    lines = [
        _summary(what, missing, unexpected, shapes, dtypes),
        *_listed(missing, lambda name: f"  missing     {name}  expected {expected[name]}"),
        *_listed(unexpected, lambda name: _unexpected(name, found[name], missing)),
        *_listed(shapes, lambda name: _shape(name, expected[name].shape, found[name].shape)),
        *_listed(dtypes, lambda name: _dtype(name, expected[name], found[name])),
    ]
    raise MismatchError("\n".join(lines))


def _summary(
    what: str, missing: list[str], unexpected: list[str], shapes: list[str], dtypes: list[str]
) -> str:
    counts = (
        (len(missing), "missing"),
        (len(unexpected), "unexpected"),
        (len(shapes), "of wrong shape"),
        (len(dtypes), "of wrong dtype"),
    )
    listed = ", ".join(f"{count} {kind}" for count, kind in counts if count)
    return f"the arrays do not fit: {listed} in {what}"


def _unexpected(name: str, form: Form, missing: list[str]) -> str:
    near = _nearest(name, missing)
    hint = f"   did you mean {near!r}?" if near else ""
    return f"  unexpected  {legible(name)}  {form}{hint}"


def _nearest(name: str, names: list[str]) -> str | None:
    """The one of `names` that `name` is most likely a slip of, if any."""
    if not 0 < len(names) <= _MOST_COMPARED:
        return None
    nearest = max(names, key=lambda other: _likeness(name, other))
    return nearest if _likeness(name, nearest) >= _LIKE else None


def _likeness(left: str, right: str) -> float:
    """The share of both names that is equal from the start, or from the end, on: 1 if all is."""
    start = _same_start(left, right)
    end = _same_start(left[start:][::-1], right[start:][::-1])
    return 2 * (start + end) / (len(left) + len(right))


def _same_start(left: str, right: str) -> int:
    """How many characters are the same before the first that differs, by halving."""
    least, most = 0, min(len(left), len(right))
    while least < most:
        middle = (least + most + 1) // 2
        least, most = (middle, most) if left[:middle] == right[:middle] else (least, middle - 1)
    return least


def _shape(name: str, expected: tuple[int, ...], found: tuple[int, ...]) -> str:
    transposed = sorted(found) == sorted(expected)
    hint = "   looks transposed; was this file converted before?" if transposed else ""
    return f"  shape       {name}  expected {expected}, found {found}{hint}"


def _dtype(name: str, expected: Form, found: Form) -> str:
    return f"  dtype       {name}  expected {expected.dtype}, found {found.dtype}"


def _listed(names: list[str], line: Callable[[str], str]) -> list[str]:
    """A line for each of the names, but no more than are shown."""
    lines = [line(name) for name in names[:_SHOWN]]
    more = len(names) - _SHOWN
    return lines if more <= 0 else [*lines, f"  ... and {more} more like this"]


def equal_order(left: Array, right: Array) -> tuple[int, ...] | None:
    """The order of `left`'s axes that makes it equal to `right` bit for bit, None if none does.

    A kernel with axes of equal length may be transposed without any shape telling.
    """
    for order in permutations(range(left.ndim)):
        if order != tuple(range(left.ndim)) and _equal(left.transpose(order), right):
            return order
    return None


def _equal(left: Array, right: Array) -> bool:
    return left.shape == right.shape and left.tobytes() == right.tobytes()
