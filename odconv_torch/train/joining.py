"""Meeting the other processes of a training."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist

from odconv_torch.train.processes import Processes
from odconv_training import TrainingError, noticing_loss

# A machine that is gone sends nothing: it is noticed after this time.
_SILENCE = timedelta(minutes=10)
_LOST = re.compile(r"gloo|nccl|connection (closed|reset)|broken pipe|timed? ?out", re.IGNORECASE)


@contextmanager
def joined(device: str | None) -> Iterator[Processes]:
    """Meets the other processes that torchrun started, if it did.

    Args:
        device: such as "cpu" or "cuda:1"; by default a GPU if there is one.

    Raises:
        TrainingError: torch has no such device, or another process ended too early.
    """
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    processes = Processes(rank, world, _device(device))
    if world == 1:
        yield processes
        return
    backend = "nccl" if processes.device.type == "cuda" else "gloo"
    with noticing_loss(processes, _LOST):
        dist.init_process_group(backend, timeout=_SILENCE)
        yield processes
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
