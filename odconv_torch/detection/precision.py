"""Coordinates in full precision, where a forward pass is in half precision.

With bfloat16 a coordinate of 1,000 pixels is a multiple of 4, and torchvision takes the precision
of its maps for anchors, of the head's outputs for proposals, and of these for the true boxes. Its
operators take boxes, maps and scores of one precision alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor
from torchvision.models.detection.rpn import RPNHead
from torchvision.ops import MultiScaleRoIAlign


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


class ExactPredictor(FastRCNNPredictor):
    """torchvision's scores and moved sides of the boxes, which it gives in full precision.

    Args:
        predictor: whose layers it takes.
    """

    def __init__(self, predictor: FastRCNNPredictor) -> None:
        nn.Module.__init__(self)
        self.cls_score, self.bbox_pred = predictor.cls_score, predictor.bbox_pred

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scores, sides = super().forward(x)
        return scores.to(exact(scores.dtype)), sides.to(exact(sides.dtype))


class ExactAlign(MultiScaleRoIAlign):
    """torchvision's own RoIAlign, which gives what it pools in the precision of the maps."""

    def forward(
        self,
        x: Mapping[str, torch.Tensor],
        boxes: list[torch.Tensor],
        image_shapes: list[tuple[int, int]],
    ) -> torch.Tensor:
        dtype = x[self.featmap_names[0]].dtype
        wide = {name: found.to(exact(dtype)) for name, found in x.items()}
        pooled: torch.Tensor = super().forward(wide, boxes, image_shapes)
        return pooled.to(dtype)
