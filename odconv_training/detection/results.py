"""What a detector finds, as COCO's results, https://cocodataset.org/#format-results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from odconv_training.detection.coco import Category
from odconv_training.detection.regions import Mask, runs_of_mask

FloatArray = npt.NDArray[np.floating[Any]]
# "image_id", "category_id", "bbox", "score" and, with masks, "segmentation"
Result = dict[str, Any]


@dataclass(frozen=True)
class Detections:
    """What is found in one image, the most certain first.

    Attributes:
        boxes: (objects, 4), left, top, right and bottom in pixels.
        labels: (objects,) from 0.
        scores: (objects,) from 0 to 1.
        masks: (objects, height, width) of 0 and 1; None of a detector without masks.
    """

    boxes: FloatArray
    labels: npt.NDArray[np.int64]
    scores: FloatArray
    masks: npt.NDArray[np.uint8] | None = None

    def above(self, threshold: float) -> Detections:
        """Those with at least this score."""
        kept = self.scores >= threshold
        masks = None if self.masks is None else self.masks[kept]
        return Detections(self.boxes[kept], self.labels[kept], self.scores[kept], masks)


def results_of(image_id: int, found: Detections, categories: Sequence[Category]) -> list[Result]:
    """A row for each object, with the category ids of the annotations."""
    rows = []
    for index, (box, label, score) in enumerate(
        zip(found.boxes.tolist(), found.labels.tolist(), found.scores.tolist(), strict=True)
    ):
        left, top, right, bottom = box
        row: Result = {
            "image_id": image_id,
            "category_id": categories[label].id,
            "bbox": [left, top, right - left, bottom - top],
            "score": score,
        }
        if found.masks is not None:
            mask: Mask = found.masks[index]
            row["segmentation"] = runs_of_mask(mask)
        rows.append(row)
    return rows
