"""Meeting the other processes of a training."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

import paddle
import paddle.distributed as dist

from odconv_paddle.train.processes import Processes
from odconv_training import TrainingError, noticing_loss

_LOST = re.compile(
    r"gloo|nccl|tcp|connection (closed|reset)|broken pipe|timed? ?out", re.IGNORECASE
)


@contextmanager
def joined(device: str | None) -> Iterator[Processes]:
    """Meets the other processes that paddle.distributed.launch started, if it did.

    Args:
        device: such as "cpu" or "gpu:1"; by default a GPU if there is one.

    Raises:
        TrainingError: Paddle has no such device, or another process ended too early.
    """
    _choose(device)
    rank = int(os.environ.get("PADDLE_TRAINER_ID", "0"))
    processes = Processes(rank, int(os.environ.get("PADDLE_TRAINERS_NUM", "1")))
    if processes.world == 1:
        yield processes
        return
    with noticing_loss(processes, _LOST):
        dist.init_parallel_env()
        yield processes


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
