"""The processes of one training, as torchrun starts them, or a single one."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from types import FrameType
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from odconv_training import TrainingError

T = TypeVar("T")

# A machine that is gone says nothing, so that only time tells.
_SILENCE = timedelta(minutes=10)
_LOST = re.compile(r"gloo|nccl|connection (closed|reset)|broken pipe|timed? ?out", re.IGNORECASE)


@dataclass(frozen=True)
class Processes:
    """This process among the `world` of one training."""

    rank: int
    world: int
    device: torch.device

    @property
    def writes(self) -> bool:
        """Whether this process is the one that writes files."""
        return self.rank == 0

    def total(self, tensor: torch.Tensor) -> torch.Tensor:
        """The sum over all processes."""
        if self.world > 1:
            dist.all_reduce(tensor)
        return tensor

    def wrap(self, model: nn.Module) -> nn.Module:
        """`model` with gradients that are means over all processes."""
        if self.world == 1:
            return model
        # Running statistics are brought together by `average_statistics`, not taken of one process.
        devices = [self.device] if self.device.type == "cuda" else None
        return DistributedDataParallel(model, device_ids=devices, broadcast_buffers=False)

    def from_first(self, value: T) -> T:
        """What the first process calls this with; the others' values are not looked at."""
        box = [value]
        if self.world > 1:
            dist.broadcast_object_list(box, device=self.device)
        return box[0]


@contextmanager
def joined(device: str | None) -> Iterator[Processes]:
    """Meets the other processes that torchrun started, if it did.

    Raises:
        TrainingError: the device is none of torch's, or another process ended before its time.
    """
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    processes = Processes(rank, world, _device(device))
    if world == 1:
        yield processes
        return
    signal.signal(signal.SIGTERM, _stopped)  # what torchrun sends when a process has died
    backend = "nccl" if processes.device.type == "cuda" else "gloo"
    try:
        dist.init_process_group(backend, timeout=_SILENCE)
        yield processes
    except RuntimeError as error:
        if not _LOST.search(str(error)):
            raise
        raise _lost(rank, world) from error
    dist.destroy_process_group()


def _device(name: str | None) -> torch.device:
    """The device of this process; of several GPUs that of its place on its machine."""
    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        if device.type == "cuda":
            local = int(os.environ.get("LOCAL_RANK", 0))
            device = torch.device("cuda", local if device.index is None else device.index)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # torch without CUDA asserts
        reason = str(error).partition("\n")[0]
        raise TrainingError(
            f"--device: expected a device of torch such as cpu or cuda, received {name!r}: {reason}"
        ) from error
    if device.type == "cuda":
        torch.cuda.set_device(device)  # nccl uses the current one
    return device


def _stopped(signum: int, frame: FrameType | None) -> None:
    raise _lost(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]))


def _lost(rank: int, world: int) -> TrainingError:
    return TrainingError(
        f"process {rank} of {world} stopped: another process of this training has ended or "
        "cannot be reached; start all of them again with --resume to go on from the last checkpoint"
    )
