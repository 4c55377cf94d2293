"""The score of a checkpoint or an exported file on images, in the framework of one's choice."""

from __future__ import annotations

from pathlib import Path

from odconv.frameworks import IMAGE_SIZE, framework_for
from odconv.runtimes import is_exported
from odconv_training.classes import labelled
from odconv_training.evaluation import Evaluation, data_of_the_user, score_checkpoint, scored
from odconv_training.samples import open_validation
from weights_converter.identify.request import Request


def evaluate(
    checkpoint: str | Path | Request,
    data: str,
    framework: str | None = None,
    *,
    batch_size: int = 64,
    image_size: int | None = None,
    workers: int = 0,
) -> Evaluation:
    """Scores a checkpoint of any framework on the images of a folder's val/, or on the digits.

    Args:
        checkpoint: a file of any format, or one that `odconv.export` has written.
        data: a folder in ImageNet's layout, or "digits".
        framework: "torch", "paddle" or "keras", which computes; the first that is installed by
            default. Of an exported file a runtime, such as "onnxruntime" or "openvino"; the first
            that takes the file by default.
        batch_size: images in one call of the network, unless the file has a fixed batch.
        image_size: height and width of a folder's images, in pixels; by default 224, or what the
            exported file takes.
        workers: processes that load images.

    Returns:
        The score, the confusion of classes, and images per second.

    Raises:
        ConverterError: the checkpoint cannot be read, or is of another model.
        UsageError: the data cannot be read, or have more classes than the network outputs.
        ValueError: there is no such framework, or it does not take the file.
        ModuleNotFoundError: the framework, or what loads the images, is not installed.

    Example:
        >>> checkpoint = Request("odconv_demo/digits.pth.tar", "odconv_demo/digits.json")
        >>> found = evaluate(checkpoint, "digits", "torch")
        >>> round(found.score.top1, 2)
        96.39
    """
    request = Request.of(checkpoint)
    if is_exported(request.path):
        return _score_exported(Path(request.path), data, framework, batch_size, image_size, workers)
    return score_checkpoint(
        request,
        data,
        framework_for(request.path, framework),
        batch_size=batch_size,
        image_size=image_size or IMAGE_SIZE,
        workers=workers,
    )


def _score_exported(
    path: Path, data: str, runtime: str | None, batch_size: int, size: int | None, workers: int
) -> Evaluation:
    from odconv.exported_classifier import exported_classifier  # needs what exports

    with exported_classifier(path, runtime, size) as network:
        names, outputs = network.class_names, network.outputs
        with data_of_the_user():
            source = labelled(open_validation(data), network.told.checkpoint, outputs, names)
        answers = network.answers(source.validation, batch_size, workers)
        return scored(network.told, data, source.classes, outputs, answers)
