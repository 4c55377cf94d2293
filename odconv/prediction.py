"""What a checkpoint, or an exported file, takes images for, in the framework of one's choice."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from odconv.frameworks import IMAGE_SIZE, framework_for
from odconv.runtimes import is_exported
from odconv_training.prediction import Prediction, predict_checkpoint, predicted, samples_of
from weights_converter.identify.request import Request


def predict(
    checkpoint: str | Path | Request,
    images: str | Path | Iterable[str | Path],
    framework: str | None = None,
    *,
    top: int = 5,
    batch_size: int = 64,
    image_size: int | None = None,
    workers: int = 0,
) -> Prediction:
    """The most probable classes of images, by a checkpoint of any framework.

    Args:
        checkpoint: a file of any format, or one that `odconv.export` has written.
        images: paths of one image or more, which are read as `evaluate` reads those of a folder.
        framework: "torch", "paddle" or "keras", which computes; the first that is installed by
            default. Of an exported file a runtime, such as "onnxruntime" or "openvino"; the first
            that takes the file by default.
        top: number of classes to give for each image.
        batch_size: images in one call of the network, unless the file has a fixed batch.
        image_size: height and width that images get, in pixels; by default 224, or what the
            exported file takes.
        workers: processes that load images.

    Returns:
        For each image the classes, by name where the checkpoint has their names, and their
        probabilities.

    Raises:
        ConverterError: the checkpoint cannot be read, or is of another model.
        UsageError: a file is no image.
        OSError: a file cannot be read.
        ValueError: there is no such framework, or it does not take the file.
        ModuleNotFoundError: the framework, or what loads the images, is not installed.

    Example:
        >>> import numpy as np
        >>> from PIL import Image
        >>> Image.fromarray(np.full((32, 32), 255, np.uint8)).save("white.png")
        >>> checkpoint = Request("odconv_demo/digits.pth.tar", "odconv_demo/digits.json")
        >>> found = predict(checkpoint, "white.png", "paddle", top=3, image_size=32)
        >>> path, guesses = found.images[0]
        >>> path, len(guesses), 0 < guesses[0].probability < 1
        ('white.png', 3, True)
    """
    request = Request.of(checkpoint)
    paths = [Path(path) for path in ([images] if isinstance(images, str | Path) else images)]
    if is_exported(request.path):
        file = Path(request.path)
        return _predict_exported(file, paths, framework, top, batch_size, image_size, workers)
    return predict_checkpoint(
        request,
        paths,
        framework_for(request.path, framework),
        top=top,
        batch_size=batch_size,
        image_size=image_size or IMAGE_SIZE,
        workers=workers,
    )


def _predict_exported(
    file: Path,
    images: list[Path],
    runtime: str | None,
    top: int,
    batch_size: int,
    size: int | None,
    workers: int,
) -> Prediction:
    from odconv.exported_classifier import exported_classifier  # needs what exports

    samples = samples_of(images)
    with exported_classifier(file, runtime, size) as network:
        answers = network.answers(samples, batch_size, workers)
        return predicted(network.told, images, network.class_names, answers, top)
