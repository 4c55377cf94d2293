"""What the arrays of a WeightNet, or of a network with some, show of its options."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from odconv_spec.evidence import (
    Shapes,
    UnexplainedError,
    dimension,
    no_reduction,
    owners,
    widths,
)

REDUCE: Final = "reduce.weight"
NUMBERS: Final = "wn_fc1.weight"
TAPS: Final = "wn_fc2.weight"
REDUCTION: Final = 16
LEAST: Final = 16
PUBLISHED_M: Final = 2


def options(shapes: Shapes) -> dict[str, Any]:
    """M and G are told by their ratio only: the published M, or the ratio where it is more."""
    layer = owners(shapes, NUMBERS)[0]
    copies = dimension(shapes, f"{layer}{TAPS}", 1)
    multiplier = copies if PUBLISHED_M % max(copies, 1) else PUBLISHED_M
    groups = multiplier // max(copies, 1)
    found = widths(shapes, REDUCE)
    return {"multiplier": multiplier, "fc_groups": groups, **_infer_reduction(found)}


def geometry(shapes: Shapes) -> dict[str, Any]:
    """Of a layer that is square, which no array tells."""
    if REDUCE not in shapes:
        raise UnexplainedError(
            "wn_fc1 and wn_fc2 are of a WeightNet whose block has the `reduce`, so that no "
            "array tells its widths",
            help="give the whole network, or the layer's spec",
        )
    found = list(_readings(shapes, options(shapes)["fc_groups"]))
    if len(found) != 1:
        raise UnexplainedError(
            f"wn_fc1.weight {shapes[NUMBERS]} and wn_fc2.weight "
            f"{shapes[TAPS]} on {shapes[REDUCE][1]} channels are of "
            f"{'no' if not found else 'more than one'} WeightNet with square kernels",
            help="give the layer's spec",
        )
    return found[0]


def _readings(shapes: Shapes, fc_groups: int) -> Iterator[dict[str, Any]]:
    """The geometries of a plain and of a depthwise layer that have such arrays."""
    numbers, _, *ones = shapes[NUMBERS]
    channels, rank = dimension(shapes, REDUCE, 1), len(ones)
    copies = dimension(shapes, TAPS, 1)
    for groups, out in ((1, numbers // (fc_groups * copies)), (channels, channels)):
        taps, rest = divmod(shapes[TAPS][0], max(1, out * channels // groups))
        kernel = round(taps ** (1 / rank))
        depthwise = groups > 1
        expected = out * copies * (1 if depthwise else fc_groups)
        told = shapes.get("bias", (out,)) == (out,)
        if told and rest == 0 and kernel >= 1 and kernel**rank == taps and expected == numbers:
            yield {
                "in_channels": channels,
                "out_channels": out,
                "kernel_size": kernel,
                "groups": groups,
                "bias": "bias" in shapes,
                "rank": rank,
            }
        if channels == 1:
            return


def _infer_reduction(found: set[tuple[int, int]]) -> dict[str, int]:
    """`reduction` and `min_channels` that give every (width, hidden); the published ones first."""
    least = min((hidden for _, hidden in found), default=LEAST)
    ratios = sorted({width // hidden for width, hidden in found if 0 < hidden <= width})
    for minimum in (LEAST, least):
        for reduction in (REDUCTION, *ratios):
            if all(max(width // reduction, minimum) == hidden for width, hidden in found):
                return {"reduction": reduction, "min_channels": minimum}
    raise no_reduction(found, "max(width // reduction, min_channels)")
