"""What the arrays of a layer of KernelWarehouse show of its options."""

from __future__ import annotations

from typing import Final

from odconv_spec.evidence import Shapes, UnexplainedError, dimension, least_ratio
from odconv_spec.warehouse import LIST, MANAGER

REDUCTION: Final = 0.0625
_LEAST_HIDDEN = 16


def hidden_width(inputs: int, reduction: float) -> int:
    """Of the attention, 16 at least."""
    return max(int(inputs * reduction), _LEAST_HIDDEN)


def reduction_of_layer(hidden: int, inputs: int) -> float:
    """One that gives so many hidden channels: the usual one where it does."""
    usual = hidden_width(inputs, REDUCTION) == hidden
    return REDUCTION if usual else least_ratio(inputs, hidden)


def mixtures_and_cells(shapes: Shapes) -> tuple[int, int]:
    """Mixtures and cells of a layer with a warehouse of its own."""
    cells = dimension(shapes, f"{MANAGER}.{LIST}.0", 0)
    logits = dimension(shapes, "attention.fc2.weight", 0)
    if logits % (cells + 1):
        raise UnexplainedError(
            f"attention.fc2.weight {shapes['attention.fc2.weight']} does not weigh the {cells} "
            "cells of the warehouse and the zero cell"
        )
    return logits // (cells + 1), cells
