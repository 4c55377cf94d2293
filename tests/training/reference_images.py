"""The evaluation pipeline in PIL and NumPy, which those of all frameworks are compared with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import sklearn.datasets
from PIL import Image

from odconv_training import MEAN, STD


def photographs() -> tuple[Path, ...]:
    """The two photographs that scikit-learn ships, each 640x427."""
    folder = Path(sklearn.datasets.__file__).parent / "images"
    return folder / "china.jpg", folder / "flower.jpg"


def evaluated(path, size=224):
    """(3, size, size) in float64: shorter side to 8/7 of `size`, centre crop, normalised.

    The longer side is rounded down, the place of the crop to the nearest even number, as
    torchvision does.
    """
    image = Image.open(path).convert("RGB")
    width, height = image.size
    short = round(size * 256 / 224)
    shape = (int(short * width / min(image.size)), int(short * height / min(image.size)))
    resized = np.asarray(image.resize(shape, Image.Resampling.BILINEAR))  # (height, width, 3)
    top, left = (round((side - size) / 2) for side in resized.shape[:2])
    pixels = resized[top : top + size, left : left + size] / 255.0
    return ((pixels - np.array(MEAN)) / np.array(STD)).transpose(2, 0, 1)
