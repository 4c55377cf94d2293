"""Coordinates in full precision, where a forward pass is in half precision.

With bfloat16 a coordinate of 1,000 pixels is a multiple of 4, and torchvision takes the precision
of its maps for anchors, of the head's outputs for proposals, and of these for the true boxes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torchvision.models.detection.rpn import RPNHead


def exact(dtype: torch.dtype) -> torch.dtype:
    """At least float32.

    Example:
        >>> exact(torch.bfloat16), exact(torch.float64)
        (torch.float32, torch.float64)
    """
    return torch.promote_types(dtype, torch.float32)


def sizes_alone(maps: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Maps of the same sizes in full precision, which hold nothing and take no memory."""
    return [torch.empty((), dtype=exact(y.dtype), device=y.device).expand(y.shape) for y in maps]


class ExactHead(RPNHead):
    """torchvision's head of the proposals, which gives its outputs in full precision.

    Takes the maps of a pyramid, and gives the scores (batch, anchors, height, width) and the moved
    sides (batch, 4 * anchors, height, width) of each.
    """

    def forward(self, x: list[torch.Tensor]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        scores, sides = super().forward(x)
        return [y.to(exact(y.dtype)) for y in scores], [y.to(exact(y.dtype)) for y in sides]
