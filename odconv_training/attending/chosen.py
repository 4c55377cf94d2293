"""Which images of a folder are looked at, and how they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from odconv_training.errors import TrainingError
from odconv_training.samples import DIGITS, SUFFIXES, Samples, open_validation

_SIZE = 48  # height and width of a picture on a page


@dataclass(frozen=True)
class Chosen:
    """Some images, their names, and the classes that their labels count; none if not known."""

    samples: Samples
    names: tuple[str, ...]
    classes: tuple[str, ...]

    def picture(self, index: int) -> Image.Image:
        """One of the images, small.

        Raises:
            CorruptImageError: it is no image, or a damaged one.
        """
        if self.samples.images is None:
            return ImageOps.fit(self.samples.open(index), (_SIZE, _SIZE))
        pixels = (127.5 * (self.samples.images[index].transpose(1, 2, 0) + 1)).round()
        return Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).resize((_SIZE, _SIZE))


def choose_images(images: str, count: int, seed: int) -> Chosen:
    """Some of the images of a folder, as many of each class as there are.

    Args:
        images: "digits" for the test images of scikit-learn's, or a folder: with images, with a
            folder of images for each class, or with such folders in val/.
        count: the most images.
        seed: of the choice.

    Returns:
        The images, those of one class never next to each other while others are left.

    Raises:
        TrainingError: there is no such folder, or no image in it.
    """
    found = _all(images)
    labels = found.samples.labels
    chosen = _in_turn(labels, np.random.default_rng(seed))[:count]
    paths = tuple(found.samples.paths[index] for index in chosen) if found.samples.paths else ()
    arrays = None if found.samples.images is None else found.samples.images[chosen]
    samples = replace(found.samples, labels=labels[chosen], paths=paths, images=arrays)
    return Chosen(samples, tuple(found.names[index] for index in chosen), found.classes)


def _all(images: str) -> Chosen:
    if images == DIGITS:
        source = open_validation(images)
        names = tuple(f"test digit {index}" for index in range(len(source.validation)))
        return Chosen(source.validation, names, source.classes)
    folder = Path(images)
    if not folder.is_dir():
        raise TrainingError(
            f"--images: expected a folder of images, or {DIGITS!r}, received {images}"
        )
    folder = folder / "val" if (folder / "val").is_dir() else folder
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not paths:
        raise TrainingError(
            f"--images: expected images ({' '.join(SUFFIXES)}) in {folder}, received none"
        )
    return _labelled([path.relative_to(folder) for path in paths], folder)


def _labelled(paths: Sequence[Path], folder: Path) -> Chosen:
    """Classes are the folders inside, if each image is in one."""
    in_folders = all(len(path.parts) > 1 for path in paths)
    classes = tuple(sorted({path.parts[0] for path in paths})) if in_folders else ()
    labels = np.array([classes.index(p.parts[0]) if classes else 0 for p in paths], np.int64)
    samples = Samples(labels, tuple(folder / path for path in paths))
    return Chosen(samples, tuple(map(str, paths)), classes)


def _in_turn(labels: npt.NDArray[np.int64], random: np.random.Generator) -> npt.NDArray[np.int64]:
    """Indices in a random order that takes one image of each class in turn."""
    order = random.permutation(len(labels))
    turns = np.zeros(len(labels), np.int64)  # of each image among those of its class
    for label in np.unique(labels):
        of_class = order[labels[order] == label]
        turns[of_class] = np.arange(len(of_class))
    return order[np.argsort(turns[order], kind="stable")]
