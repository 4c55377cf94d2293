"""The test digits of scikit-learn, prepared as for the training of the shipped checkpoint."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_digits

FOLDER = Path(__file__).parent
GOLDEN = FOLDER / "odconv4x_mobilenetv2_digits.npz"
SIZE = 32

Array = npt.NDArray[np.float32]


def test_digits() -> tuple[Array, npt.NDArray[np.int64]]:
    """(360, 3, 32, 32) images in [-1, 1] and their (360,) labels."""
    digits = load_digits()
    index = np.load(GOLDEN)["test_index"]
    small = digits.images[index] / 16  # (images, 8, 8)
    large = resize_bilinear(small, SIZE)  # (images, 32, 32)
    images = np.repeat(large[:, None], 3, axis=1)  # (images, channels, 32, 32)
    return ((images - 0.5) / 0.5).astype(np.float32), digits.target[index].astype(np.int64)


def resize_bilinear(images: npt.NDArray[np.float64], size: int) -> npt.NDArray[np.float64]:
    """Square images (images, n, n) to (images, size, size), pixel centres at half numbers."""
    n = images.shape[-1]
    position = np.clip((np.arange(size) + 0.5) * n / size - 0.5, 0, n - 1)
    weights = np.maximum(0, 1 - np.abs(position[:, None] - np.arange(n)))  # (size, n)
    return weights @ images @ weights.T
