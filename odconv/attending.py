"""What the attentions of a checkpoint see in images, in the framework of one's choice."""

from __future__ import annotations

from pathlib import Path

from odconv.frameworks import framework_named, installed
from odconv_training.attending.attended import AttendedImages, attend_checkpoint
from weights_converter.identify.request import Request


def attend(
    checkpoint: str | Path | Request,
    images: str | Path,
    framework: str | None = None,
    *,
    layers: str = "*",
    count: int = 100,
    seed: int = 0,
    batch_size: int = 64,
    image_size: int = 224,
    workers: int = 0,
) -> AttendedImages:
    """The attentions of a checkpoint's dynamic layers for images: how much they depend on them.

    Args:
        checkpoint: a file of any format.
        images: a folder with images, with a folder of images for each class, or with such folders
            in val/; or "digits".
        framework: "torch", "paddle" or "keras", which computes; the first that is installed by
            default.
        layers: a pattern of layers' paths, such as "layer4.*".
        count: the most images to look at, as many of each class.
        seed: of the choice of images.
        batch_size: images in one call of the network.
        image_size: height and width that images get, in pixels.
        workers: processes that load images.

    Returns:
        Attentions of each layer and image, their spread over the images and their entropy.

    Raises:
        ConverterError: the checkpoint cannot be read, or is of another model.
        UsageError: the model has no dynamic layer, no layer fits the pattern, there are no images,
            or one is damaged.
        ValueError: there is no such framework.
        ModuleNotFoundError: the framework, or what loads the images, is not installed.

    Example:
        >>> checkpoint = Request("odconv_demo/digits.pth.tar", "odconv_demo/digits.json")
        >>> found = attend(checkpoint, "digits", count=20)
        >>> len(found.layers), found.layers[0].path
        (9, 'features.1.conv.0.0')
        >>> sorted(found.layers[0].spreads)
        ['channel', 'kernel', 'spatial']
    """
    return attend_checkpoint(
        Request.of(checkpoint),
        str(images),
        framework_named(framework or installed()),
        layers=layers,
        count=count,
        seed=seed,
        batch_size=batch_size,
        image_size=image_size,
        workers=workers,
    )
