"""Images of a folder to train with, by PIL and NumPy: the same on every backend of Keras."""

from __future__ import annotations

from math import exp, log
from typing import TYPE_CHECKING

import numpy as np
from PIL.Image import Resampling, Transpose

from odconv_training.images import FloatArray, normalised

if TYPE_CHECKING:
    from PIL.Image import Image

_AREA = (0.08, 1.0)  # of a random crop, as a share of the image's
_RATIO = (3 / 4, 4 / 3)  # its width over its height
_ATTEMPTS = 10


def augmentation(image: Image, image_size: int, seed: int) -> FloatArray:
    """Random resized crop and flip, as in the recipes of the papers: (size, size, 3)."""
    generator = np.random.default_rng(seed)
    box = _crop(image.width, image.height, generator)
    image = image.crop(box).resize((image_size, image_size), Resampling.BILINEAR)
    if generator.random() < 0.5:
        image = image.transpose(Transpose.FLIP_LEFT_RIGHT)
    return normalised(image)


def _crop(width: int, height: int, generator: np.random.Generator) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of a crop, by the rule of https://arxiv.org/abs/1409.4842."""
    for _ in range(_ATTEMPTS):
        area = width * height * generator.uniform(_AREA[0], _AREA[1])
        ratio = exp(generator.uniform(log(_RATIO[0]), log(_RATIO[1])))
        crop_width, crop_height = round((area * ratio) ** 0.5), round((area / ratio) ** 0.5)
        if 0 < crop_width <= width and 0 < crop_height <= height:
            left = int(generator.integers(0, width - crop_width + 1))
            top = int(generator.integers(0, height - crop_height + 1))
            return left, top, left + crop_width, top + crop_height
    side = min(width, height)  # an image so long that no crop fits
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side
