"""The images of a detection training: a folder in COCO's layout."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from odconv_training.detection.coco import Annotation, Category, Picture, read_coco
from odconv_training.errors import CorruptImageError, TrainingError
from odconv_training.samples import UNDECODABLE, Samples, Source
from weights_converter.errors import legible

_SMALLEST = 1.0  # pixels, of a side of a box that is learnt


@dataclass(frozen=True)
class Annotated(Samples):
    """Images with their objects; `labels` are the ids of the images.

    Attributes:
        pictures: what the file of annotations says of each image.
        categories: whose places the labels of objects are.
        left_out: what is not learnt, in words.
    """

    pictures: tuple[Picture, ...] = ()
    categories: tuple[Category, ...] = ()
    left_out: tuple[str, ...] = ()

    def open(self, index: int) -> Image.Image:
        """The decoded file in RGB.

        Raises:
            CorruptImageError: it is no image, a damaged one, or of another size than annotated.
        """
        image = super().open(index)
        complaint = _wrong_size(self.paths[index], image.size, self.pictures[index])
        if complaint:
            raise CorruptImageError(complaint)
        return image

    def objects(self, index: int) -> list[Annotation]:
        """What is learnt of an image: no crowds, and boxes cut off at its borders.

        What is left of less than a pixel there is not learnt; mmdetection measures a box before it
        is cut.
        """
        picture = self.pictures[index]
        cut = (_cut(one, picture) for one in picture.annotations if not one.crowd)
        return [one for one in cut if min(one.box[2:]) >= _SMALLEST]


@dataclass(frozen=True)
class Scenes(Source):
    """Names of the categories in the order of their labels, and the two splits."""

    train: Annotated
    validation: Annotated


def open_scenes(data: str, masks: bool, skip_corrupt: bool = False) -> Scenes:
    """The samples of a folder with annotations/instances_train*.json, train*/ and the same of val.

    Images without an object to learn are left out of those to train with, as published.

    Args:
        data: the folder. What stands for * is the same in both names, such as 2017.
        masks: whether the regions of objects are needed.
        skip_corrupt: decodes every image once, and leaves out those that cannot be decoded.

    Raises:
        TrainingError: a file or a folder is missing or cannot be read, is not as COCO has it, or
            an image is of another size than its annotations say.
        CorruptImageError: a file is no image.
        OSError: the annotations cannot be read.
    """
    train = open_annotated(data, "train", masks, skip_corrupt=skip_corrupt)
    validation = open_annotated(data, "val", masks, train.categories, skip_corrupt)
    if not any(validation.objects(index) for index in range(len(validation))):
        raise TrainingError(f"expected objects in the val images of {data}, received none")
    names = tuple(category.name for category in train.categories)
    return Scenes(names, _to_learn(train, data), validation)


def open_annotated(
    data: str,
    split: str,
    masks: bool,
    categories: Sequence[Category] | None = None,
    skip_corrupt: bool = False,
) -> Annotated:
    """One split of a folder; see `open_scenes`."""
    file, folder = _places(Path(data), split)
    known, pictures = read_coco(file, masks, categories)
    paths = tuple(folder / picture.name for picture in pictures)
    ids = np.array([picture.id for picture in pictures], np.int64)
    samples = Annotated(ids, paths, pictures=pictures, categories=known)
    bad = _complaints(samples, skip_corrupt)
    for error in bad.values():
        if not (skip_corrupt and isinstance(error, CorruptImageError)):
            raise error
    notes = tuple(f"{error}" for error in bad.values())
    kept = [index for index in range(len(samples)) if index not in bad]
    return replace(chosen(samples, kept), left_out=notes)


def chosen(samples: Annotated, indices: Sequence[int]) -> Annotated:
    """Some of the images."""
    return replace(
        samples,
        labels=samples.labels[list(indices)],
        paths=tuple(samples.paths[index] for index in indices),
        pictures=tuple(samples.pictures[index] for index in indices),
    )


def _places(data: Path, split: str) -> tuple[Path, Path]:
    start = f"instances_{split}"
    files = sorted((data / "annotations").glob(f"{start}*.json"))
    if len(files) != 1:
        raise TrainingError(
            f"expected one file {legible(str(data / 'annotations' / start))}*.json, received "
            f"{len(files)}; --data takes a folder in COCO's layout"
        )
    folder = data / files[0].stem.removeprefix("instances_")
    if not folder.is_dir():
        raise TrainingError(
            f"expected the images of {legible(files[0].name)} in {legible(str(folder))}, received "
            "no such folder"
        )
    return files[0], folder


def _to_learn(samples: Annotated, data: str) -> Annotated:
    """Without the images that have nothing to learn, and with a count of these and of objects."""
    objects = [samples.objects(index) for index in range(len(samples))]
    full = [index for index, found in enumerate(objects) if found]
    if not full:
        raise TrainingError(f"expected objects in the train images of {data}, received none")
    every = sum(not one.crowd for picture in samples.pictures for one in picture.annotations)
    counts = (
        (len(samples) - len(full), "images without an object to learn"),
        (every - sum(map(len, objects)), "objects of less than a pixel within their image"),
    )
    notes = tuple(f"{count} {what}" for count, what in counts if count)
    return replace(chosen(samples, full), left_out=(*samples.left_out, *notes))


def _cut(annotation: Annotation, picture: Picture) -> Annotation:
    left, top, width, height = annotation.box
    x0, x1 = (min(max(x, 0.0), float(picture.width)) for x in (left, left + width))
    y0, y1 = (min(max(y, 0.0), float(picture.height)) for y in (top, top + height))
    return replace(annotation, box=(x0, y0, x1 - x0, y1 - y0))


def _complaints(samples: Annotated, whole: bool) -> dict[int, TrainingError]:
    """What is wrong with files: `CorruptImageError` with those that are there and are no images.

    Args:
        samples: the images.
        whole: whether to decode them; else only their heads are read.
    """
    with ThreadPoolExecutor() as pool:  # decoding leaves the interpreter's lock
        found = list(pool.map(partial(_complaint, whole=whole), samples.paths, samples.pictures))
    return {index: error for index, error in enumerate(found) if error is not None}


def _complaint(path: Path, picture: Picture, whole: bool) -> TrainingError | None:
    try:
        with path.open("rb") as file, Image.open(file) as image:
            if whole:
                image.load()
            complaint = _wrong_size(path, image.size, picture)
            return TrainingError(complaint) if complaint else None
    except UNDECODABLE as error:
        if isinstance(error, OSError) and error.errno is not None:  # the file system's, not PIL's
            where = legible(str(path))
            return TrainingError(
                f"expected {where}, an image of the annotations, received: {error.strerror}"
            )
        return CorruptImageError(f"expected an image, received {legible(str(path))}: {error}")


def _wrong_size(path: Path, size: tuple[int, int], picture: Picture) -> str:
    """What is said of an image of another size than its annotations have; else nothing."""
    if size == (picture.width, picture.height):
        return ""
    return (
        f"{legible(str(path))}, image {picture.id}: expected {picture.width} x {picture.height} "
        f"pixels, as its annotations say, received {size[0]} x {size[1]}"
    )
