"""What a checkpoint takes images for, in the framework of one's choice."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from odconv.frameworks import framework_named, installed
from odconv_training.prediction import Prediction, predict_checkpoint
from weights_converter.identify.request import Request


def predict(
    checkpoint: str | Path | Request,
    images: str | Path | Iterable[str | Path],
    framework: str | None = None,
    *,
    top: int = 5,
    batch_size: int = 64,
    image_size: int = 224,
    workers: int = 0,
) -> Prediction:
    """The most probable classes of images, by a checkpoint of any framework.

    Args:
        checkpoint: a file of any format.
        images: paths of one image or more, which are read as `evaluate` reads those of a folder.
        framework: "torch", "paddle" or "keras", which computes; the first that is installed by
            default.
        top: number of classes to give for each image.
        batch_size: images in one call of the network.
        image_size: height and width that images get, in pixels.
        workers: processes that load images.

    Returns:
        For each image the classes, by name where the checkpoint has their names, and their
        probabilities.

    Raises:
        ConverterError: the checkpoint cannot be read, or is of another model.
        UsageError: a file is no image.
        OSError: a file cannot be read.
        ValueError: there is no such framework.
        ModuleNotFoundError: the framework, or what loads the images, is not installed.

    Example:
        >>> found = predict("model_best.pth.tar", "photos/val/cat/1.jpg")  # doctest: +SKIP
        >>> found.images[0][1][0]  # doctest: +SKIP
        Guess(name='cat', probability=0.9731)
    """
    paths = [images] if isinstance(images, str | Path) else list(images)
    return predict_checkpoint(
        Request.of(checkpoint),
        [Path(path) for path in paths],
        framework_named(framework or installed()),
        top=top,
        batch_size=batch_size,
        image_size=image_size,
        workers=workers,
    )
