"""The digits of scikit-learn: 1,437 to train with and 360 to test with, and the network for them.

The split and the preparation are those of the published code's training that gave the checkpoint
in `examples/`; the split is torch.randperm(1797) of seed 0, whose last 360 are the test.
"""

from __future__ import annotations

from importlib.resources import as_file, files

import numpy as np
import numpy.typing as npt

from odconv_spec import ConvChoice, MobileNetV2Spec
from odconv_training.errors import TrainingError

SIZE = 32
CLASSES = tuple("0123456789")

Images = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


def spec() -> MobileNetV2Spec:
    """A small MobileNetV2 of ODConv layers with four kernels, 0.55 million parameters."""
    stages = ((1, 32, 1, 1), (4, 48, 1, 2), (4, 64, 1, 2))
    conv = ConvChoice.of("od", kernel_num=4)
    return MobileNetV2Spec(conv=conv, num_classes=len(CLASSES), stages=stages)


def train_digits() -> tuple[Images, Labels]:
    """(1437, 3, 32, 32) images in [-1, 1] and their (1437,) labels."""
    _, target = _digits()
    return _prepared(np.setdiff1d(np.arange(len(target)), _test_index()))


def test_digits() -> tuple[Images, Labels]:
    """(360, 3, 32, 32) images in [-1, 1] and their (360,) labels."""
    return _prepared(_test_index())


def resize_bilinear(images: npt.NDArray[np.float64], size: int) -> npt.NDArray[np.float64]:
    """Square images (images, n, n) to (images, size, size), pixel centres at half numbers."""
    n = images.shape[-1]
    position = np.clip((np.arange(size) + 0.5) * n / size - 0.5, 0, n - 1)
    weights = np.maximum(0, 1 - np.abs(position[:, None] - np.arange(n)))  # (size, n)
    resized: npt.NDArray[np.float64] = weights @ images @ weights.T
    return resized


def _prepared(index: Labels) -> tuple[Images, Labels]:
    small, target = _digits()
    large = resize_bilinear(small[index] / 16, SIZE)  # (images, 32, 32)
    images = np.repeat(large[:, None], 3, axis=1)  # (images, channels, 32, 32)
    return ((images - 0.5) / 0.5).astype(np.float32), target[index].astype(np.int64)


def _digits() -> tuple[npt.NDArray[np.float64], Labels]:
    try:
        from sklearn.datasets import load_digits  # takes a second, and other data do not need it
    except ModuleNotFoundError as error:
        raise TrainingError(
            "the digits need scikit-learn, which is not installed: pip install 'odconv[train]', "
            "or train on images of your own with --data FOLDER"
        ) from error
    found = load_digits()
    return found.images, found.target


def _test_index() -> Labels:
    with as_file(files("odconv_training") / "digits_test_index.npz") as path, np.load(path) as file:
        index: Labels = file["test_index"].astype(np.int64)
    return index
