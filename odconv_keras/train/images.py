"""Images of a folder as arrays, by PIL and numpy: the same on every backend of Keras.

`tf.image` gives other values for scikit-learn's two photographs, of 256 levels: up to 18 where it
decodes a JPEG, by a faster transform than PIL's unless it is asked for "INTEGER_ACCURATE", then up
to 80 where it makes the image smaller, as it does not widen its window unless it is asked to
antialias, and up to 1 where it does, as PIL rounds to whole levels after each axis.
"""

from __future__ import annotations

from math import exp, log
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL.Image import Resampling, Transpose

from odconv_training import MEAN, STD

if TYPE_CHECKING:
    from PIL.Image import Image

FloatArray = npt.NDArray[np.float32]

_AREA = (0.08, 1.0)  # of a random crop, as a share of the image's
_RATIO = (3 / 4, 4 / 3)  # its width over its height
_ATTEMPTS = 10


def evaluation(image: Image, image_size: int) -> FloatArray:
    """Resize of the shorter side to 8/7 (256 for 224), centre crop: (size, size, 3), normalised."""
    shorter = round(image_size * 256 / 224)
    short = min(image.size)
    # The longer side is rounded down, as torchvision does.
    width, height = (shorter if side == short else shorter * side // short for side in image.size)
    image = image.resize((width, height), Resampling.BILINEAR)
    left, top = round((width - image_size) / 2), round((height - image_size) / 2)
    return _normalised(image.crop((left, top, left + image_size, top + image_size)))


def augmentation(image: Image, image_size: int, seed: int) -> FloatArray:
    """Random resized crop and flip, as in the recipes of the papers: (size, size, 3)."""
    generator = np.random.default_rng(seed)
    box = _crop(image.width, image.height, generator)
    image = image.crop(box).resize((image_size, image_size), Resampling.BILINEAR)
    if generator.random() < 0.5:
        image = image.transpose(Transpose.FLIP_LEFT_RIGHT)
    return _normalised(image)


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


def _normalised(image: Image) -> FloatArray:
    pixels = np.asarray(image, np.float32) / np.float32(255)  # (height, width, 3)
    mean, deviation = np.array((MEAN, STD), np.float32)
    normalised: FloatArray = (pixels - mean) / deviation
    return normalised
