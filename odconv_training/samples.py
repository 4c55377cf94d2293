"""The images of a training and their labels: a folder in ImageNet's layout, or the digits."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from odconv_training import digits
from odconv_training.errors import CorruptImageError, TrainingError
from odconv_training.rgb import rgb

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]

DIGITS = "digits"
MEAN = (0.485, 0.456, 0.406)
"""Mean of each channel of ImageNet's images, of values in [0, 1]."""
STD = (0.229, 0.224, 0.225)
"""Standard deviation of each channel of ImageNet's images, of values in [0, 1]."""
SUFFIXES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
UNDECODABLE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    Image.DecompressionBombError,
    ModuleNotFoundError,  # a patch of ultralytics asks for pi_heif where PIL knows no format
)


@dataclass(frozen=True)
class Samples:
    """One split in a fixed order: `paths` of files, or `images` that are prepared already.

    `labels` are (count,), `images` (count, 3, height, width), normalised.

    Example:
        >>> len(Samples(np.array([3, 5]), images=np.zeros((2, 3, 8, 8), np.float32)))
        2
    """

    labels: IntArray
    paths: tuple[Path, ...] = ()
    images: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def open(self, index: int) -> Image.Image:
        """The decoded file in RGB.

        Returns:
            An image of three channels, of its own size.

        Raises:
            CorruptImageError: it is no image, or a damaged one.
        """
        return decoded(self.paths[index])


@dataclass(frozen=True)
class Source:
    """Class names in the order of their labels, and the two splits.

    Example:
        >>> Source(("cat", "dog"), Samples(np.array([0, 1])), Samples(np.array([1]))).classes
        ('cat', 'dog')
    """

    classes: tuple[str, ...]
    train: Samples
    validation: Samples


def decoded(path: Path) -> Image.Image:
    """The image of a file in RGB; see `Samples.open`."""
    try:
        with Image.open(path) as image:
            return rgb(image)
    except UNDECODABLE as error:
        raise CorruptImageError(f"expected an image, received {path}: {error}") from error


def open_source(data: str, skip_corrupt: bool = False) -> Source:
    """The samples of `data`: "digits", or a folder with train/CLASS/IMAGE and val/CLASS/IMAGE.

    With `skip_corrupt` every file is decoded once, and those that cannot be are named on standard
    error and left out.

    Returns:
        The samples to train with and those to score, and the names of the classes.

    Raises:
        TrainingError: a folder or a class is missing or empty, or the splits' classes differ.

    Example:
        >>> source = open_source("digits")
        >>> len(source.train), len(source.validation), source.train.images.shape
        (1437, 360, (1437, 3, 32, 32))
    """
    if data == DIGITS:
        return _digits()
    classes = _classes(Path(data) / "train")
    _check_same(classes, _classes(Path(data) / "val"))
    splits = (_split(Path(data) / name, classes, skip_corrupt) for name in ("train", "val"))
    return Source(classes, *splits)


def open_validation(data: str, skip_corrupt: bool = False) -> Source:
    """As `open_source`, without samples to train with and without a need for train/.

    Returns:
        The samples to score, and the names of the classes.

    Raises:
        TrainingError: the folder or a class is missing or empty.

    Example:
        >>> len(open_validation("digits").validation)
        360
    """
    nothing = Samples(np.zeros(0, np.int64))
    if data == DIGITS:
        return replace(_digits(), train=nothing)
    folder = Path(data) / "val"
    classes = _classes(folder)
    return Source(classes, nothing, _split(folder, classes, skip_corrupt))


def _digits() -> Source:
    splits = (digits.train_digits(), digits.test_digits())
    train, validation = (Samples(labels, images=images) for images, labels in splits)
    return Source(digits.CLASSES, train, validation)


def _classes(folder: Path) -> tuple[str, ...]:
    if not folder.is_dir():
        raise TrainingError(
            f"expected a folder {folder} with a folder of images for each class, received none; "
            f"--data takes the folder above train/ and val/, or {DIGITS!r}"
        )
    found = tuple(sorted(entry.name for entry in folder.iterdir() if entry.is_dir()))
    if not found:
        raise TrainingError(f"expected a folder for each class in {folder}, received none")
    return found


def _check_same(train: tuple[str, ...], validation: tuple[str, ...]) -> None:
    different = sorted(set(train) ^ set(validation))
    if different:
        raise TrainingError(
            f"expected the same classes in train/ and val/, received {len(different)} in one of "
            f"them only: {', '.join(different[:6])}"
        )


def _split(folder: Path, classes: tuple[str, ...], skip_corrupt: bool) -> Samples:
    found = [(path, label) for label, name in enumerate(classes) for path in _files(folder / name)]
    samples = Samples(
        np.array([label for _, label in found], np.int64), tuple(path for path, _ in found)
    )
    if skip_corrupt:
        samples = _without_corrupt(samples)
    _check_none_empty(samples, folder, classes)
    return samples


def _files(folder: Path) -> Iterator[Path]:
    yield from sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


def _without_corrupt(samples: Samples) -> Samples:
    with ThreadPoolExecutor() as pool:  # decoding leaves the interpreter's lock
        complaints = list(pool.map(_complaint, samples.paths))
    for complaint in filter(None, complaints):
        sys.stderr.write(f"left out: {complaint}\n")
    kept = [index for index, complaint in enumerate(complaints) if not complaint]
    return replace(
        samples, labels=samples.labels[kept], paths=tuple(samples.paths[index] for index in kept)
    )


def _complaint(path: Path) -> str:
    try:
        decoded(path)
    except CorruptImageError as error:
        return f"{path}: {error.__cause__}"
    return ""


def _check_none_empty(samples: Samples, folder: Path, classes: tuple[str, ...]) -> None:
    missing = sorted(set(range(len(classes))) - set(samples.labels.tolist()))
    if missing:
        names = ", ".join(classes[label] for label in missing[:6])
        raise TrainingError(
            f"expected images ({' '.join(SUFFIXES)}) of each class in {folder}, received none of "
            f"{len(missing)} classes: {names}"
        )
