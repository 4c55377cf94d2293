"""An exported file in its own runtime, against the network that it was made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from odconv.exporting.job import Job
from odconv.runtimes import open_exported
from weights_converter.errors import MismatchError, legible

Outputs = Callable[[npt.NDArray[np.float32]], Sequence[npt.NDArray[np.float32]]]
BATCHES = (1, 2, 5)
_SEED = 0
_FURTHER = (32, 64)  # pixels, by which the other size of a dynamic one is larger


@dataclass(frozen=True)
class Trial:
    """One batch of random images.

    Attributes:
        batch: number of images.
        size: their height and width.
        difference: the largest, over the source's largest value of the same output.
        agreement: share of the images that both give the same class.
    """

    batch: int
    size: tuple[int, int]
    difference: float
    agreement: float


@dataclass(frozen=True)
class Proof:
    """What the runtime computed, beside the source in float32."""

    runtime: str
    tolerance: float
    trials: tuple[Trial, ...]

    @property
    def difference(self) -> float:
        """The largest relative difference."""
        return max(trial.difference for trial in self.trials)

    @property
    def agreement(self) -> float:
        """Share of the images that both give the same class."""
        images = sum(trial.batch for trial in self.trials)
        return sum(trial.agreement * trial.batch for trial in self.trials) / images

    @property
    def equal(self) -> bool:
        return self.difference <= self.tolerance

    def demand_equal(self, name: str) -> None:
        """Raises MismatchError where the outputs differ by more than the tolerance."""
        worst = max(self.trials, key=lambda trial: trial.difference)
        if not self.equal:
            raise MismatchError(
                f"{legible(name)} in {self.runtime} differs from the checkpoint by "
                f"{worst.difference:.2g} of the largest output at batch {worst.batch}, more than "
                f"{self.tolerance:g}",
                help="nothing was written; --tolerance allows more, --no-fuse rounds less",
            )

    def __str__(self) -> str:
        batches = ", ".join(dict.fromkeys(str(trial.batch) for trial in self.trials))
        sizes = " and ".join(dict.fromkeys("{}x{}".format(*trial.size) for trial in self.trials))
        return (
            f"in {self.runtime} at batch {batches}, images of {sizes}: largest difference "
            f"{self.difference:.2g} of the largest output"
        )


def prove(
    path: Path,
    outputs: Outputs,
    job: Job,
    runtime: str,
    batches: Iterable[npt.NDArray[np.float32]],
) -> Proof:
    """Runs the file and compares.

    Args:
        path: of the file.
        outputs: what the source gives for images.
        job: what was asked for.
        runtime: which plays the file.
        batches: images (batch, channels, height, width) of each, such as `probes` draws.
    """
    network = open_exported(path, runtime)
    try:
        trials = [_trial(network.run, outputs, images) for images in batches]
    finally:
        network.close()
    return Proof(runtime, job.tolerance, tuple(trials))


def probes(job: Job) -> Iterator[npt.NDArray[np.float32]]:
    """Images (batch, channels, height, width) for every batch, and of another size if it is free.

    They are the same on every machine, and normal once they are normalised.
    """
    draw = np.random.Generator(np.random.PCG64(_SEED))
    for batch, size in _shapes(job):
        images = draw.standard_normal((batch, job.channels, *size), np.float32)
        if job.in_graph:
            axes = (-1, 1, 1)
            images *= np.array(job.std or 1.0, np.float32).reshape(axes)
            images += np.array(job.mean or 0.0, np.float32).reshape(axes)
        yield images


def _shapes(job: Job) -> Iterator[tuple[int, tuple[int, int]]]:
    batches = BATCHES if job.batch is None else (job.batch,)
    for batch in batches:
        yield batch, job.size
    if job.dynamic_size:
        height, width = job.size
        yield batches[0], (height + _FURTHER[0], width + _FURTHER[1])


def _trial(file: Outputs, source: Outputs, images: npt.NDArray[np.float32]) -> Trial:
    found, expected = file(images), source(images)
    if [array.shape for array in found] != [array.shape for array in expected]:
        raise MismatchError(
            f"expected outputs {[array.shape for array in expected]}, as the checkpoint gives "
            f"them, received {[array.shape for array in found]}"
        )
    batch, _, height, width = images.shape
    pairs = list(zip(found, expected, strict=True))
    agreeing = [float(np.mean(f.argmax(1) == e.argmax(1))) for f, e in pairs]
    return Trial(batch, (height, width), max(relative(*pair) for pair in pairs), min(agreeing))


def relative(found: npt.NDArray[np.float32], expected: npt.NDArray[np.float32]) -> float:
    """The largest difference over the largest value; infinite where one is no number."""
    distance = np.abs(found.astype(np.float64) - expected)
    largest = float(np.abs(expected).max(initial=0))
    difference = float(distance.max(initial=0)) / (largest or 1.0)
    return difference if np.isfinite(difference) else float("inf")
