"""The processes of one training, whichever framework's launcher has started them."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from odconv_training.batches import IntArray, share
from odconv_training.errors import TrainingError

T = TypeVar("T")
FloatArray = npt.NDArray[np.float64]


class Processes:
    """This process among the `world` of one training; here the only one.

    A framework's own class sums over several.

    Attributes:
        rank: of this process, from 0.
        world: number of processes.

    Example:
        >>> Processes().writes
        True
    """

    def __init__(self, rank: int = 0, world: int = 1) -> None:
        self.rank = rank
        self.world = world

    @property
    def writes(self) -> bool:
        """Whether this process is the one that writes files.

        Returns:
            True of the first process.
        """
        return self.rank == 0

    def share(self, batch: IntArray) -> IntArray:
        """The samples of a global batch that this process computes.

        Returns:
            Indices, at least one.

        Raises:
            TrainingError: there are more processes than samples.
        """
        return share(batch, self.rank, self.world)

    def total(self, values: npt.ArrayLike) -> FloatArray:
        """The sum over all processes, in float64.

        Returns:
            An array of the shape of `values`, the same in all processes.
        """
        return np.asarray(values, np.float64)

    def from_first(self, value: T) -> T:
        """What the first process calls this with; the others' values are not looked at.

        Returns:
            The value of the first process.
        """
        return value


def lost(processes: Processes) -> TrainingError:
    """The error of a process that another one has left alone.

    Returns:
        An error that says which process stopped and what to do.

    Example:
        >>> str(lost(Processes(1, 4)))[:58]
        'process 1 of 4 stopped: another process of this training h'
    """
    return TrainingError(
        f"process {processes.rank} of {processes.world} stopped: another process of this training "
        "has ended or cannot be reached; start all of them again with --resume to continue from "
        "the last checkpoint"
    )


@contextmanager
def noticing_loss(processes: Processes, signs: re.Pattern[str]) -> Iterator[None]:
    """Turns what happens when another process ends into one error.

    Args:
        processes: of which this is one.
        signs: what a framework's RuntimeError says where a connection is lost.

    Returns:
        A context manager.

    Raises:
        TrainingError: another process has ended.

    Example:
        >>> try:
        ...     with noticing_loss(Processes(1, 4), re.compile("Connection closed")):
        ...         raise RuntimeError("Connection closed by peer")
        ... except TrainingError as error:
        ...     print(str(error).partition(":")[0])
        process 1 of 4 stopped
    """

    def stopped(signum: int, frame: FrameType | None) -> None:
        raise lost(processes)

    signal.signal(signal.SIGTERM, stopped)  # what a launcher sends when a process has died
    try:
        yield
    except RuntimeError as error:
        if not signs.search(str(error)):
            raise
        raise lost(processes) from error
