"""Images of a split, prepared as an exported file takes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from odconv.exporting.job import Job
from odconv_training.batches import IntArray
from odconv_training.images import evaluation
from odconv_training.samples import MEAN, STD, Samples
from weights_converter.errors import UsageError

FloatArray = npt.NDArray[np.float32]

_PREPARED = 0.5  # mean and deviation of images that are prepared already, the digits
_LEVELS = 255.0  # of images whose mean is above 1


def prepared_batches(
    samples: Samples, batches: Sequence[IntArray], job: Job, workers: int = 0
) -> Iterator[FloatArray]:
    """Images (batch, channels, height, width) of each batch.

    They are normalised as the job says, by ImageNet's mean and deviation where it says nothing, and
    not at all where the file does it.

    Args:
        samples: a split.
        batches: indices of each batch's samples.
        job: how the file was made.
        workers: threads that load images, which PIL does outside of the interpreter's lock.

    Raises:
        UsageError: the file takes images of another kind.
        CorruptImageError: a file is no image, or a damaged one.
    """
    check_images(samples, job)
    mean, std = _normalisation(job)

    def load(index: int) -> FloatArray:
        image = evaluation(samples.open(index), job.size[0], mean.tolist(), std.tolist())
        return image.transpose(2, 0, 1)

    with ThreadPoolExecutor(max(workers, 1)) as pool:
        for indices in batches:
            if samples.images is not None:
                images = samples.images[indices]  # (batch, channels, height, width)
                pixels = images * _PREPARED + _PREPARED
                yield pixels / std[:, None, None] if job.in_graph else images
            else:
                yield np.stack(list(pool.map(load, map(int, indices))))


def _normalisation(job: Job) -> tuple[FloatArray, FloatArray]:
    """Mean and deviation of pixels from 0 to 1, (channels,) each."""
    nothing = ((0.0,) * job.channels, (1.0,) * job.channels)
    told = bool(job.mean or job.std)
    mean, std = (job.mean or nothing[0], job.std or nothing[1]) if told else (MEAN, STD)
    levels = _LEVELS if max(mean) > 1 else 1.0
    used = nothing if job.in_graph else (mean, std)
    means, deviations = np.array(used, np.float32) / np.float32(levels)
    return means, deviations


def check_images(samples: Samples, job: Job) -> None:
    """Raises UsageError where a file takes images of another kind."""
    if job.channels != 3 or job.size[0] != job.size[1]:
        raise UsageError(
            "expected a file that takes square images of 3 channels, received one for "
            f"{job.channels}x{job.size[0]}x{job.size[1]}"
        )
    if samples.images is not None and not job.dynamic_size:
        size = samples.images.shape[2:]
        if size != job.size:
            raise UsageError(
                f"expected a file that takes images of {size[0]}x{size[1]}, as these are, received "
                f"one for {job.size[0]}x{job.size[1]}",
                help=f"export it with --size {size[0]}",
            )
