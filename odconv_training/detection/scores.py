"""How good a detector is: COCO's average precisions, by faster-coco-eval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan, nan
from typing import Any

from odconv_training.detection.regions import mask_tools, runs_of
from odconv_training.detection.results import Result
from odconv_training.detection.samples import Annotated

AVERAGES = ("AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large")


@dataclass(frozen=True)
class DetectionScore:
    """`AVERAGES` in percent, of boxes and, where it has them, of masks.

    One is NaN where no object is of that size.

    Example:
        >>> print(DetectionScore((31.5, 60.0, 28.0, float("nan"), 30.0, 40.0)))
        AP 31.50 %, AP50 60.00 %, AP75 28.00 %, small -, medium 30.00 %, large 40.00 %
    """

    boxes: tuple[float, ...]
    masks: tuple[float, ...] | None = None

    @property
    def quality(self) -> float:
        """What the best epoch is chosen by: the AP of boxes."""
        return self.boxes[0]

    def row(self) -> tuple[float, ...]:
        """As `measures_of` names them."""
        return self.boxes + (self.masks or ())

    def to_dict(self) -> dict[str, dict[str, float | None]]:
        """By name, "boxes" and "masks", None in place of NaN, which JSON does not have."""
        parts = {"boxes": self.boxes, "masks": self.masks}
        return {
            name: {n: None if isnan(v) else v for n, v in zip(AVERAGES, values, strict=True)}
            for name, values in parts.items()
            if values is not None
        }

    def __str__(self) -> str:
        if self.masks is None:
            return _text(self.boxes)
        return f"boxes: {_text(self.boxes)}; masks: {_text(self.masks)}"


def measures_of(masks: bool) -> tuple[str, ...]:
    """The columns of the log of a training."""
    return AVERAGES + (tuple(f"mask_{name}" for name in AVERAGES) if masks else ())


def detection_score(samples: Annotated, results: Sequence[Result], masks: bool) -> DetectionScore:
    """The score of what was found in all images of `samples`.

    Raises:
        TrainingError: faster-coco-eval is not installed.
    """
    mask_tools()  # says what is not installed
    boxes = _averages(samples, results, "bbox")
    return DetectionScore(boxes, _averages(samples, results, "segm") if masks else None)


def _averages(samples: Annotated, results: Sequence[Result], kind: str) -> tuple[float, ...]:
    from faster_coco_eval import COCO, COCOeval_faster

    # With a box beside its runs, an object's size would be taken from the box.
    left_out = "segmentation" if kind == "bbox" else "bbox"
    rows = [{name: v for name, v in row.items() if name != left_out} for row in results]
    truth = COCO(_truth(samples, kind == "segm"))
    evaluation = COCOeval_faster(truth, truth.loadRes(rows), kind)
    evaluation.run()
    values = (float(value) for value in evaluation.stats[: len(AVERAGES)])
    return tuple(nan if value < 0 else 100 * value for value in values)


def _truth(samples: Annotated, regions: bool) -> dict[str, Any]:
    """The annotations of all images, numbered from 1: the evaluation takes 0 for no object."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for picture in samples.pictures:
        images.append({"id": picture.id, "width": picture.width, "height": picture.height})
        for one in picture.annotations:
            row: dict[str, Any] = {
                "id": len(annotations) + 1,
                "image_id": picture.id,
                "category_id": samples.categories[one.label].id,
                "bbox": list(one.box),
                "area": one.area,
                "iscrowd": int(one.crowd),
            }
            if regions and one.region is not None:
                row["segmentation"] = runs_of(one.region, picture.height, picture.width)
            annotations.append(row)
    names = [{"id": category.id, "name": category.name} for category in samples.categories]
    return {"info": {}, "images": images, "annotations": annotations, "categories": names}


def _text(values: Sequence[float]) -> str:
    names = (name.removeprefix("AP_") for name in AVERAGES)
    return ", ".join(
        f"{name} {'-' if isnan(value) else f'{value:.2f} %'}"
        for name, value in zip(names, values, strict=True)
    )
