"""What the arrays of a MobileNetV2 show of its blocks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice

from odconv_spec.evidence import Shapes, dimension
from odconv_spec.recalibrations import RECALIBRATIONS, RecalibrationChoice

_MOST_SHOWN = 24  # blocks in a message


def block_widths(shapes: Shapes) -> Iterator[tuple[int, int]]:
    """(hidden, out) channels of each block, by its norms: every kind has other kernels."""
    index = 1
    while f"features.{index}.conv.0.1.weight" in shapes:
        prefix = f"features.{index}.conv"
        last = 3 if f"{prefix}.1.1.weight" in shapes else 2  # behind an expansion, or without
        hidden = dimension(shapes, f"{prefix}.0.1.weight", 0)
        yield hidden, dimension(shapes, f"{prefix}.{last}.weight", 0)
        index += 1


def infer_recalibration(shapes: Shapes, depths: Sequence[int]) -> RecalibrationChoice | None:
    """What stands behind the projections' norms of stages with so many blocks, None for nothing."""
    blocks = _behind_norms(shapes)
    layers = [next(blocks, {}) for _ in range(sum(depths))]
    kinds = (kind for kind, spec in RECALIBRATIONS.items() if layers and spec.shows(layers[0]))
    kind = next(kinds, None)
    if kind is None:
        return None
    rest = iter(layers)
    stages = [list(islice(rest, depth)) for depth in depths]
    return RecalibrationChoice.of_stages(kind, stages)


def _behind_norms(shapes: Shapes) -> Iterator[Shapes]:
    """The arrays of each block behind the projection's norm, by their names in that layer."""
    found: dict[str, dict[str, tuple[int, ...]]] = defaultdict(dict)
    for name, shape in shapes.items():
        block, _, inside = name.partition(".conv.")
        place, _, leaf = inside.partition(".")
        if place == ("4" if f"{block}.conv.1.1.weight" in shapes else "3"):
            found[block][leaf] = shape
    index = 1
    while f"features.{index}.conv.0.1.weight" in shapes:
        yield found[f"features.{index}"]
        index += 1


def listed(found: list[tuple[int, int]]) -> str:
    """The text of the list, whose end is left out where it is long."""
    more = len(found) - _MOST_SHOWN
    return f"{found[:_MOST_SHOWN]} and {more} more" if more > 0 else f"{found}"
