"""One of the processes of a training, here the only one; see `joining.py`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import keras
import numpy as np
import numpy.typing as npt

from odconv_training import TrainingError, share

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
# (images, labels, count of the global batch) -> mean loss over the global batch
Train = Callable[[np.ndarray, np.ndarray, int], float]


class Processes:
    """This process among the `world` of one training; here the only one.

    Attributes:
        rank: of this process, from 0.
        world: number of processes.
        draws: which of the processes' random streams this one has.
    """

    rank = 0
    world = 1
    draws = 0

    @property
    def writes(self) -> bool:
        """Whether this process is the one that writes files."""
        return self.rank == 0

    def share(self, batch: IntArray) -> IntArray:
        """The samples of a global batch that this process computes."""
        return share(batch, self.rank, self.world)

    def synchronise(self, model: keras.Model) -> None:
        """Makes norms in training see the global batch."""

    def training(self, model: keras.Model) -> Train:
        """What does one step of a compiled model."""

        def train(images: np.ndarray, labels: np.ndarray, count: int) -> float:
            return float(model.train_on_batch(images, labels, return_dict=True)["loss"])

        return train

    def total(self, array: FloatArray) -> FloatArray:
        """The sum over all processes."""
        return array

    def from_first(self, value: bool) -> bool:
        """What the first process calls this with; the others' values are not looked at."""
        return bool(self.total(np.array([float(value and self.writes)]))[0])

    def average_statistics(self, model: keras.Model) -> None:
        """Makes running statistics the mean over all processes, each of which saw its share."""

    def alone(self) -> AbstractContextManager[None]:
        """The scope of what this process computes for itself."""
        return nullcontext()

    def local(self, model: keras.Model) -> keras.Model:
        """A model with the same weights whose calls involve no other process."""
        return model


def lost(processes: Processes) -> TrainingError:
    """The error of a process that another one has left alone."""
    return TrainingError(
        f"process {processes.rank} of {processes.world} stopped: another process of this training "
        "has ended; start all of them again with --resume to go on from the last checkpoint"
    )
