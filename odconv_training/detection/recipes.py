"""The published schedule of detectors, a small one, and what a detector is beside its body.

The published one is that of https://github.com/OSVAI/ODConv/tree/main/object_detection, the "1x"
of mmdetection: 12 epochs of 16 images at 0.02, a tenth of it after 8 and 11, 500 steps of warm-up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from odconv_spec.detectors import ARITHMETIC
from odconv_training.errors import TrainingError
from odconv_training.recipes import Recipe

KINDS: Final[Mapping[str, str]] = {"faster": "Faster R-CNN", "mask": "Mask R-CNN"}


@dataclass(frozen=True)
class Detector:
    """What stands on a body.

    Attributes:
        kind: "faster" or "mask".
        channels: of the feature pyramid, and of the head of masks.
        rois: boxes of each image that the head is trained on in a step.
        min_size: pixels of the shorter side of an image, to which it is resized, unless
        max_size: of the longer one would be exceeded.
        arithmetic: whose anchors and RoIAlign it has, see `odconv_spec.detectors.ARITHMETIC`.
        maps: places of the body's maps that the pyramid takes; none for the published ones.
        mask_channels: of the head of masks, where it is not as wide as the pyramid.

    Example:
        >>> Detector("mask").title
        'Mask R-CNN'
    """

    kind: str = "faster"
    channels: int = 256
    rois: int = 512
    min_size: int = 800
    max_size: int = 1333
    arithmetic: str = ARITHMETIC[0]
    maps: tuple[int, ...] = ()
    mask_channels: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise TrainingError(f"kind: expected one of {tuple(KINDS)}, received {self.kind!r}")
        if self.arithmetic not in ARITHMETIC:
            raise TrainingError(
                f"arithmetic: expected one of {ARITHMETIC}, received {self.arithmetic!r}"
            )
        if self.max_size < self.min_size:
            raise TrainingError(
                f"max_size: expected at least min_size, {self.min_size}, received {self.max_size}"
            )

    @property
    def masks(self) -> bool:
        """Whether it finds masks, too."""
        return self.kind == "mask"

    @property
    def title(self) -> str:
        """Its name in words."""
        return KINDS[self.kind]


RECIPES: Final[Mapping[str, Recipe]] = {
    "coco": Recipe(
        epochs=12,
        batch_size=16,
        lr=0.02,
        momentum=0.9,
        weight_decay=1e-4,
        schedule="step",
        milestones=(8, 11),
        warmup_steps=500,
        temperature_epochs=0,  # the paper found no use in annealing here
        freeze_stages=1,
        freeze_norms=True,
    ),
    "small": Recipe(
        epochs=30,
        batch_size=4,
        lr=0.02,
        momentum=0.9,
        weight_decay=1e-4,
        schedule="step",
        milestones=(22, 27),
        warmup_steps=100,
        temperature_epochs=0,
    ),
}
DETECTORS: Final[Mapping[str, Detector]] = {
    "coco": Detector(),
    "small": Detector(channels=64, rois=64, min_size=128, max_size=256),
}
