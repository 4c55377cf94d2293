"""The score of a checkpoint on images, in the framework of one's choice."""

from __future__ import annotations

from pathlib import Path

from odconv.frameworks import framework_named
from odconv_training.evaluation import Evaluation, score_checkpoint
from weights_converter.identify.request import Request


def evaluate(
    checkpoint: str | Path | Request,
    data: str,
    framework: str,
    *,
    batch_size: int = 64,
    image_size: int = 224,
    workers: int = 0,
) -> Evaluation:
    """Scores a checkpoint of any framework on the images of a folder's val/, or on the digits.

    Args:
        checkpoint: a file of any format.
        data: a folder in ImageNet's layout, or "digits".
        framework: "torch", "paddle" or "keras", which computes.
        batch_size: images in one call of the network.
        image_size: height and width of a folder's images, in pixels.
        workers: processes that load images.

    Returns:
        The score, the confusion of classes, and images per second.

    Raises:
        ConverterError: the checkpoint cannot be read, or is of another model.
        UsageError: the data cannot be read, or have more classes than the network outputs.
        ValueError: there is no such framework.
        ModuleNotFoundError: the framework, or what loads the images, is not installed.

    Example:
        >>> found = evaluate("model.pdparams", "photos", "torch")  # doctest: +SKIP
        >>> found.score.top1  # doctest: +SKIP
        71.3
    """
    return score_checkpoint(
        Request.of(checkpoint),
        data,
        framework_named(framework),
        batch_size=batch_size,
        image_size=image_size,
        workers=workers,
    )
