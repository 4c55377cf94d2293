"""The errors of a training that its user can correct."""

from __future__ import annotations


class TrainingError(ValueError):
    """Options, data or a checkpoint are not what a training needs.

    The message says what was expected, what was received and what to do.

    Example:
        >>> from odconv_training import open_source
        >>> try:
        ...     open_source("nowhere")
        ... except TrainingError as error:
        ...     print(str(error).partition(",")[0])
        expected a folder nowhere/train with a folder of images for each class
    """


class CorruptImageError(TrainingError):
    """A file cannot be decoded as an image; the message names it.

    Example:
        >>> from pathlib import Path
        >>> from odconv_training import Samples
        >>> size = Path("damaged.png").write_bytes(b"no image")
        >>> try:
        ...     Samples([0], paths=[Path("damaged.png")]).open(0)
        ... except CorruptImageError as error:
        ...     print(error)
        expected an image, received damaged.png: cannot identify image file 'damaged.png'
    """
