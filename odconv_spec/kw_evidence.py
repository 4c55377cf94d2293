"""What the arrays of a layer of KernelWarehouse, or of a network with some, show of its options."""

from __future__ import annotations

from typing import Any, Final

from odconv_spec.evidence import Shapes, UnexplainedError, dimension, least_ratio, owners
from odconv_spec.warehouse import LIST, MANAGER

LINEAR: Final = "conv.attention.norm1.weight"
"""An array that every linear layer has, and no other."""
REDUCTION: Final = 0.0625
_LEAST_HIDDEN = 16
_FIRST = f"{MANAGER}.{LIST}.0"  # the cells of a layer with a warehouse of its own
_CONFIGS = ("kw1x", "kw4x", "kw2x", "kw1d2x", "kw1d4x", "kw8x", "kw3x", "kw1d8x", "kw16x")


def options(shapes: Shapes) -> dict[str, Any]:
    """Those of a lone layer."""
    mixtures, cells = mixtures_and_cells(shapes)
    hidden, inputs = shapes["attention.fc1.weight"]
    return {"cell_num_ratio": cells / mixtures, "reduction": reduction_of_layer(hidden, inputs)}


def configs(shapes: Shapes) -> tuple[str, ...]:
    """The configurations that a network may have, the likeliest first."""
    # One alone has such a classifier.
    return ("kw1d2x",) if owners(shapes, LINEAR) else _CONFIGS


def geometry(shapes: Shapes) -> dict[str, Any]:
    """That of a lone layer, whose kernel is taken to have equal sides."""
    _, out, inputs, *taps = shapes[_FIRST]
    channels = dimension(shapes, "attention.fc1.weight", 1)
    rank, (mixtures, _) = len(taps), mixtures_and_cells(shapes)
    side = round(mixtures ** (1 / rank))
    if side**rank != mixtures or channels % inputs:
        raise UnexplainedError(
            f"{mixtures} cells ({out}, {inputs}) make no kernel of equal sides for "
            f"{channels} input channels",
            help="a layer with other ratios needs its manifest, --model layer.json",
        )
    return {
        "in_channels": channels,
        "out_channels": out,
        "kernel_size": side,
        "groups": channels // inputs,
        "bias": "bias" in shapes,
        "rank": rank,
    }


def linear(shapes: Shapes) -> dict[str, Any]:
    """The options of a lone linear layer."""
    inside = {name.removeprefix("conv."): shape for name, shape in shapes.items()}
    mixtures, cells = mixtures_and_cells(inside)
    out, inputs = (dimension(inside, _FIRST, axis) for axis in (1, 2))
    hidden, channels = (dimension(inside, "attention.fc1.weight", axis) for axis in (0, 1))
    outputs = out * mixtures * inputs // channels
    return {
        "in_channels": channels,
        "out_channels": outputs,
        "bias": "bias" in inside,
        "reduction": reduction_of_layer(hidden, channels),
        "cell_num_ratio": cells / mixtures,
        "cell_inplane_ratio": inputs / channels,
        "cell_outplane_ratio": out / outputs,
    }


def hidden_width(inputs: int, reduction: float) -> int:
    """Of the attention, 16 at least."""
    return max(int(inputs * reduction), _LEAST_HIDDEN)


def reduction_of_layer(hidden: int, inputs: int) -> float:
    """One that gives so many hidden channels: the usual one where it does."""
    usual = hidden_width(inputs, REDUCTION) == hidden
    return REDUCTION if usual else least_ratio(inputs, hidden)


def mixtures_and_cells(shapes: Shapes) -> tuple[int, int]:
    """Mixtures and cells of a layer with a warehouse of its own."""
    cells = dimension(shapes, _FIRST, 0)
    logits = dimension(shapes, "attention.fc2.weight", 0)
    if logits % (cells + 1):
        raise UnexplainedError(
            f"attention.fc2.weight {shapes['attention.fc2.weight']} does not weigh the {cells} "
            "cells of the warehouse and the zero cell"
        )
    return logits // (cells + 1), cells
