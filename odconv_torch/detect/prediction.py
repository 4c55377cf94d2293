"""What a detector finds in images that nobody has annotated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import nn

from odconv_torch.detect.evaluation import detections
from odconv_training import TrainingError
from odconv_training.batches import IntArray
from odconv_training.detection.coco import Category, Picture
from odconv_training.detection.picture import drawn
from odconv_training.detection.results import Result, results_of
from odconv_training.detection.samples import Annotated
from odconv_training.samples import decoded


def unlabelled(images: Sequence[Path], categories: tuple[Category, ...]) -> Annotated:
    """Images without annotations, numbered from 1; each name once, as pictures are named by it.

    Raises:
        TrainingError: two have one name.
        CorruptImageError: one is no image.
        OSError: one is not there.
    """
    stems = [path.stem for path in images]
    if len(set(stems)) < len(stems):
        twice = next(stem for stem in stems if stems.count(stem) > 1)
        raise TrainingError(f"expected images of different names, received {twice} twice")
    pictures = []
    for number, path in enumerate(images, 1):
        path.open("rb").close()  # a file that is not there is no damaged image
        pictures.append(Picture(number, path.name, *decoded(path).size, ()))
    ids = np.arange(1, len(images) + 1)
    return Annotated(ids, tuple(images), None, tuple(pictures), categories)


def write_pictures(
    model: nn.Module,
    samples: Annotated,
    indices: IntArray,
    folder: Path,
    threshold: float,
    workers: int = 0,
) -> list[Result]:
    """Writes a picture of what is found in each of some images.

    Args:
        model: a detector.
        samples: the images of all processes.
        indices: of those that this process looks at; no other writes a picture of them.
        folder: which exists.
        threshold: of scores.
        workers: that load images.

    Returns:
        What is found, as COCO's results, each with the path of its image.
    """
    rows: list[Result] = []
    every = detections(model, samples, indices, workers)
    for index, one in zip(indices.tolist(), every, strict=True):
        sure = one.above(threshold)
        path = samples.paths[index]
        drawn(samples.open(index), sure, samples.categories).save(folder / f"{path.stem}.png")
        found = results_of(int(samples.labels[index]), sure, samples.categories)
        rows += [{**row, "file_name": str(path)} for row in found]
    return rows
