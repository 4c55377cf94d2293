"""The processes of one training, as torchrun starts them, or a single one."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import odconv_training

T = TypeVar("T")


class Processes(odconv_training.Processes):
    """This process among the `world` of one training.

    Attributes:
        device: of this process.
    """

    def __init__(self, rank: int, world: int, device: torch.device) -> None:
        super().__init__(rank, world)
        self.device = device

    def total(self, values: npt.ArrayLike) -> npt.NDArray[np.float64]:
        tensor = torch.from_numpy(np.array(values, np.float64)).to(self.device)
        return self.summed(tensor).cpu().numpy()

    def summed(self, tensor: torch.Tensor) -> torch.Tensor:
        """The sum over all processes, in place."""
        if self.world > 1:
            dist.all_reduce(tensor)
        return tensor

    def mean(self, tensor: torch.Tensor) -> torch.Tensor:
        """The mean over all processes, of the tensor's dtype."""
        return self.summed(tensor.clone()) / self.world

    def gathered(self, value: T) -> list[T]:
        """What each process calls this with, in the order of their ranks."""
        if self.world == 1:
            return [value]
        every: list[Any] = [None] * self.world
        dist.all_gather_object(every, value)
        return every

    def from_first(self, value: T) -> T:
        box = [value]
        if self.world > 1:
            dist.broadcast_object_list(box, device=self.device)
        return box[0]

    def wrap(self, model: nn.Module) -> nn.Module:
        """`model` with gradients that are means over all processes."""
        if self.world == 1:
            return model
        # Running statistics are brought together by `average_statistics`, not taken of one process.
        devices = [self.device] if self.device.type == "cuda" else None
        return DistributedDataParallel(model, device_ids=devices, broadcast_buffers=False)
