"""The evaluation pipeline of images in PIL and NumPy, for whoever has no transforms of their own.

`tf.image` gives other values for scikit-learn's two photographs, of 256 levels: up to 18 where it
decodes a JPEG, by a faster transform than PIL's unless it is asked for "INTEGER_ACCURATE", then up
to 80 where it makes the image smaller, as it does not widen its window unless it is asked to
antialias, and up to 1 where it does, as PIL rounds to whole levels after each axis.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL.Image import Image, Resampling

from odconv_training.samples import MEAN, STD

FloatArray = npt.NDArray[np.float32]


def evaluation(
    image: Image, image_size: int, mean: Sequence[float] = MEAN, std: Sequence[float] = STD
) -> FloatArray:
    """Resize of the shorter side to 8/7 (256 for 224), centre crop: (size, size, 3), normalised."""
    shorter = round(image_size * 256 / 224)
    short = min(image.size)
    # The longer side is rounded down, as torchvision does.
    width, height = (shorter if side == short else shorter * side // short for side in image.size)
    image = image.resize((width, height), Resampling.BILINEAR)
    left, top = round((width - image_size) / 2), round((height - image_size) / 2)
    return normalised(image.crop((left, top, left + image_size, top + image_size)), mean, std)


def normalised(
    image: Image, mean: Sequence[float] = MEAN, std: Sequence[float] = STD
) -> FloatArray:
    """Pixels (height, width, 3) from 0 to 1, less the mean and by the deviation of each channel."""
    pixels = np.asarray(image, np.float32) / np.float32(255)  # (height, width, 3)
    means, deviations = np.array((mean, std), np.float32)  # (channels,) each
    result: FloatArray = (pixels - means) / deviations
    return result
