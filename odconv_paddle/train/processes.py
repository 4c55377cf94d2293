"""The processes of one training, as paddle.distributed.launch starts them, or a single one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import paddle
import paddle.distributed as dist
from paddle import nn
from paddle.distributed.fleet.utils.hybrid_parallel_util import fused_allreduce_gradients
from paddle.distributed.parallel import sync_params_buffers

import odconv_training

T = TypeVar("T")


class Processes(odconv_training.Processes):
    """This process among the `world` of one training."""

    def total(self, values: npt.ArrayLike) -> npt.NDArray[np.float64]:
        return self.summed(paddle.to_tensor(np.asarray(values, np.float64))).numpy()

    def summed(self, tensor: paddle.Tensor) -> paddle.Tensor:
        """The sum over all processes, in place."""
        if self.world > 1:
            dist.all_reduce(tensor)
        return tensor

    def mean(self, tensor: paddle.Tensor) -> paddle.Tensor:
        """The mean over all processes, of the tensor's dtype."""
        return self.summed(tensor.clone()) / self.world

    def from_first(self, value: T) -> T:
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
