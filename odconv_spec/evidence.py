"""What the names and shapes of arrays show of a layer or a network.

The way back from `parameters()`: each spec class makes itself from names and shapes, by the
functions here, and says why where it cannot.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import inf, nextafter
from typing import NamedTuple, TypeAlias

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]
"""Canonical name -> canonical shape."""
Widths: TypeAlias = set[tuple[int, int]]
"""(input channels, hidden width) of what weighs the kernels."""
_MOST_WIDTHS = 256  # every ratio is tried with every width; published models have some ten


class UnexplainedError(ValueError):
    """No options of a layer or a network explain the arrays.

    Attributes:
        help: one line of advice, where there is some.

    Example:
        >>> try:
        ...     DyConvSpec.from_arrays({"attention.fc1.weight": (2, 8), "weight": (4, 6, 8, 3)})
        ... except UnexplainedError as error:
        ...     print(error)
        weight (4, 6, 8, 3) has 4 kernels, but the attention weighs 1: no attention.fc2.weight
    """

    def __init__(self, fact: str, help: str | None = None) -> None:
        super().__init__(fact)
        self.help = help


class Foreign(NamedTuple):
    """A layer that has the names of one of ours and computes something else.

    Attributes:
        what: it is.
        reason: what ours does instead.
        array: that shows it.
    """

    what: str
    reason: str
    array: str


@contextmanager
def possible(what: str = "model") -> Iterator[None]:
    """Turns the ValueError of a spec's options into an UnexplainedError.

    Only the call of a spec stands in the block, so that a mistake in this package is not taken for
    one in the file.
    """
    try:
        yield
    except ValueError as error:
        raise UnexplainedError(f"the arrays are of no possible {what}: {error}") from error


def dimension(shapes: Shapes, name: str, axis: int) -> int:
    """The size of one axis. Raises UnexplainedError if the array or the axis is missing."""
    shape = shapes.get(name, ())
    if axis >= len(shape):
        raise UnexplainedError(
            f"{name}: expected an array with at least {axis + 1} axes, "
            + (f"found the shape {shape}" if name in shapes else "found no such array")
        )
    return shape[axis]


def owners(shapes: Shapes, path: str) -> list[str]:
    """What stands before `path` in the names that end with it: "" or a path with its last dot.

    Example:
        >>> owners({"conv1.gate.fc.weight": (4, 8), "gate.fc.weight": (4, 8)}, "gate.fc.weight")
        ['conv1.', '']
    """
    dotted = f".{path}"
    found = [name for name in shapes if name == path or name.endswith(dotted)]
    return [name.removesuffix(path) for name in found]


def shown(shapes: Shapes, path: str) -> str:
    """The first array that `path` ends the name of, with its shape; "" if there is none.

    Example:
        >>> shown({"conv1.gate.fc.weight": (4, 8)}, "gate.fc.weight")
        'conv1.gate.fc.weight (4, 8)'
    """
    name = next((f"{owner}{path}" for owner in owners(shapes, path)), "")
    return f"{name} {shapes[name]}" if name else ""


def widths(shapes: Shapes, path: str) -> Widths:
    """(input channels, output channels) of every convolution kernel at `path` in its owner."""
    kernels = (shapes[f"{owner}{path}"] for owner in owners(shapes, path))
    return {(shape[1], shape[0]) for shape in kernels if len(shape) > 2}


def least_ratio(width: int, hidden: int) -> float:
    """The least number by which int(width * it) is `hidden`.

    Example:
        >>> int(44 * (30 / 44)), int(44 * least_ratio(44, 30))
        (29, 30)
    """
    ratio = hidden / width
    return ratio if int(width * ratio) == hidden else nextafter(ratio, inf)


def ratios(found: Widths) -> list[float]:
    """Every hidden / input of at most one, from the least."""
    if len(found) > _MOST_WIDTHS:
        return []
    return sorted({least_ratio(w, h) for w, h in found if 0 < h <= w})


def reduction_of(found: Widths, least: int) -> float | None:
    """The reduction that gives every hidden width, 1/16 before others; None if there is none.

    Args:
        found: (width, hidden) of each layer, where hidden = max(int(width * reduction), least).
        least: hidden width.

    Example:
        >>> reduction_of({(64, 16), (512, 32)}, 16), reduction_of({(64, 8), (512, 64)}, 8)
        (0.0625, 0.125)
    """
    every = (1 / 16, *ratios(found))
    rules = (r for r in every if all(h == max(int(w * r), least) for w, h in found))
    return next(rules, None)


def no_reduction(found: Widths, rule: str) -> UnexplainedError:
    """The error of hidden widths that follow no `rule`."""
    return UnexplainedError(
        "no reduction explains the hidden widths of the attentions: (width, hidden) "
        f"{sorted(found)[:6]}; expected hidden = {rule}"
    )
