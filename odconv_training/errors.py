"""The errors of a training that its user can correct."""

from __future__ import annotations


class TrainingError(ValueError):
    """Options, data or a checkpoint are not what a training needs.

    The message says what was expected, what was received and what to do.
    """


class CorruptImageError(TrainingError):
    """A file cannot be decoded as an image; the message names it."""
