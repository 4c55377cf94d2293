"""The processes of one training, as paddle.distributed.launch starts them, or a single one."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

import numpy as np
import numpy.typing as npt
import paddle
import paddle.distributed as dist
from paddle import nn
from paddle.distributed.fleet.utils.hybrid_parallel_util import fused_allreduce_gradients
from paddle.distributed.parallel import sync_params_buffers

from odconv_training.errors import TrainingError

_LOST = re.compile(
    r"gloo|nccl|tcp|connection (closed|reset)|broken pipe|timed? ?out", re.IGNORECASE
)


@dataclass(frozen=True)
class Processes:
    """This process among the `world` of one training."""

    rank: int
    world: int

    @property
    def writes(self) -> bool:
        """Whether this process is the one that writes files."""
        return self.rank == 0

    def total(self, values: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """The sum over all processes."""
        tensor = paddle.to_tensor(np.asarray(values, np.float64))
        if self.world > 1:
            dist.all_reduce(tensor)
        return tensor.numpy()

    def mean(self, tensor: paddle.Tensor) -> paddle.Tensor:
        """The mean over all processes, of the tensor's dtype."""
        total = tensor.clone()
        if self.world > 1:
            dist.all_reduce(total)
        return total / self.world

    def from_first(self, value: Any) -> Any:
        """What the first process calls this with; the others' values are not looked at."""
        box = [value]
        if self.world > 1:
            dist.broadcast_object_list(box, src=0)
        return box[0]

    def share_weights(self, model: nn.Layer) -> None:
        """Gives all processes the arrays of the first."""
        if self.world > 1:
            sync_params_buffers(model)

    def average_gradients(self, parameters: Sequence[Any]) -> None:
        """Makes gradients the mean over all processes.

        `paddle.DataParallel` does so during the backward pass, but documents that it does not
        support a PyLayer in the network, which synchronised norms have, and names this way.
        """
        if self.world > 1:
            fused_allreduce_gradients(list(parameters), None)


@contextmanager
def joined(device: str | None) -> Iterator[Processes]:
    """Meets the other processes that paddle.distributed.launch started, if it did.

    Raises:
        TrainingError: the device is none of Paddle's, or another process ended before its time.
    """
    _choose(device)
    rank, world = _place()
    if world == 1:
        yield Processes(rank, world)
        return
    signal.signal(signal.SIGTERM, _stopped)  # what launch sends when a process has died
    try:
        dist.init_parallel_env()
        yield Processes(rank, world)
    except RuntimeError as error:
        if not _LOST.search(str(error)):
            raise
        raise _lost() from error


def _choose(device: str | None) -> None:
    if device is None:
        return
    if device == "cpu":
        os.environ["PADDLE_DISTRI_BACKEND"] = "gloo"  # where there are GPUs it would be theirs
    try:
        paddle.set_device(device)
    except (ValueError, RuntimeError) as error:
        reason = str(error).strip().rpartition("\n")[2]
        raise TrainingError(
            f"--device: expected a device of Paddle such as cpu or gpu:0, received {device!r}: "
            f"{reason}"
        ) from error


def _place() -> tuple[int, int]:
    """Rank and number of processes."""
    rank, world = (
        os.environ.get("PADDLE_TRAINER_ID", "0"),
        os.environ.get("PADDLE_TRAINERS_NUM", "1"),
    )
    return int(rank), int(world)


def _stopped(signum: int, frame: FrameType | None) -> None:
    raise _lost()


def _lost() -> TrainingError:
    rank, world = _place()
    return TrainingError(
        f"process {rank} of {world} stopped: another process of this training has ended; "
        "start all of them again with --resume to go on from the last checkpoint"
    )
