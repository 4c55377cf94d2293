"""Images by which the ranges of integers are measured."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from odconv.exporting.images import FloatArray, check_images, prepared_batches
from odconv.exporting.job import Job
from odconv_training.batches import IntArray, in_order
from odconv_training.evaluation import data_of_the_user
from odconv_training.samples import DIGITS, SUFFIXES, Samples, open_source
from weights_converter.errors import UsageError, legible

_MOST = 256  # images: the ranges of more are hardly wider
_BATCH = 16


def calibration_batches(folder: str, job: Job) -> Iterator[FloatArray]:
    """Images (batch, channels, height, width), prepared as the file takes them.

    Args:
        folder: whose images are read, those of its folders too, or "digits" for scikit-learn's that
            are trained with. Of many, some hundreds are taken, evenly.
        job: how the file is made.

    Raises:
        UsageError: there are no images, one is damaged, or the file takes others.
    """
    samples, calls = _chosen(folder, job)
    with data_of_the_user():
        yield from prepared_batches(samples, calls, job)


def check_calibration(folder: str, job: Job) -> None:
    """Raises what `calibration_batches` would, which is asked once all else has taken its time."""
    samples, calls = _chosen(folder, job)
    check_images(samples, job)
    if samples.images is None:
        with data_of_the_user():
            for index in np.concatenate(calls).tolist():
                samples.open(index)


def _chosen(folder: str, job: Job) -> tuple[Samples, list[IntArray]]:
    """The images of a folder, and which of them are in each batch."""
    samples = _samples(folder)
    count = len(samples)
    chosen = np.unique(np.linspace(0, count - 1, min(count, _MOST)).astype(np.int64))
    size = job.batch or _BATCH
    calls = [batch for batch in in_order(chosen, size) if job.batch in (None, len(batch))]
    if not calls:
        raise UsageError(
            f"calibrate: expected at least {size} images, one batch, received {count}",
            help="the more kinds of images, the better the ranges",
        )
    return samples, calls


def _samples(folder: str) -> Samples:
    if folder == DIGITS:
        return open_source(DIGITS).train
    try:
        os.scandir(folder).close()  # a search says nothing of a folder that it cannot read
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UsageError(
            f"calibrate: expected a folder with images, received {legible(folder)}: {reason}"
        ) from error
    found = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in SUFFIXES)
    if not found:
        raise UsageError(
            f"calibrate: expected a folder with images, found none in {legible(folder)}"
        )
    return Samples(np.zeros(len(found), np.int64), tuple(found))
