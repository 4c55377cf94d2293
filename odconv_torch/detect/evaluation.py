"""What a detector finds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import nn

from odconv_torch.detect.data import evaluation_batches
from odconv_training.batches import IntArray, in_order
from odconv_training.detection.results import Detections, Result, results_of
from odconv_training.detection.samples import Annotated

# Images in a call of the detector. Several would be padded to one size, which attentions see: what
# is found in one would depend on the others.
_TOGETHER = 1
_INSIDE = 0.5  # of a mask, where the object is


def detections(
    model: nn.Module, samples: Annotated, indices: IntArray, workers: int = 0
) -> Iterator[Detections]:
    """What is found in each image; puts the detector into evaluation mode."""
    model.eval()
    weights = next(model.parameters())
    with torch.inference_mode():
        for images, _ in evaluation_batches(samples, in_order(indices, _TOGETHER), workers):
            placed = [image.to(weights.device, weights.dtype) for image in images]
            for found in model(placed):
                yield _detections(found)


def results(
    model: nn.Module, samples: Annotated, indices: IntArray, workers: int = 0
) -> Sequence[Result]:
    """What is found in some images, as COCO's results."""
    found = detections(model, samples, indices, workers)
    rows: list[Result] = []
    for index, one in zip(indices.tolist(), found, strict=True):
        rows += results_of(int(samples.labels[index]), one, samples.categories)
    return rows


def _detections(found: dict[str, torch.Tensor]) -> Detections:
    """Of torchvision's, whose labels are from 1 and whose masks are probabilities."""
    arrays = {name: value.cpu().numpy() for name, value in found.items()}
    masks = arrays.get("masks")
    return Detections(
        arrays["boxes"],
        arrays["labels"] - 1,
        arrays["scores"],
        None if masks is None else (masks[:, 0] >= _INSIDE).astype("uint8"),
    )
