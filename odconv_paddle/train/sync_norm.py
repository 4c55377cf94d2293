"""Batch norms with the statistics of the global batch.

`paddle.nn.SyncBatchNorm` has no kernel for CPUs, stores the biased variance, and returns its bias
for a single value per channel; see `odconv_paddle.layers.norm` for the rules that hold here.
"""

from __future__ import annotations

from typing import Any

import paddle
import paddle.distributed as dist
from paddle import nn
from paddle.autograd import PyLayer
from paddle.nn.layer.norm import _BatchNormBase

from odconv_paddle.layers.norm import BatchNorm1D, BatchNorm2D, BatchNorm3D
from odconv_paddle.train.processes import Processes


def synchronised(layer: nn.Layer) -> nn.Layer:
    """`layer` with norms over all processes, under the same names in its state dict."""
    for kind, synced in _KINDS:
        if type(layer) is kind:
            return _like(layer, synced)
    for name, child in layer.named_children():
        layer.add_sublayer(name, synchronised(child))
    return layer


def average_statistics(layer: nn.Layer, processes: Processes) -> None:
    """Makes running statistics that each process has of its own the mean of them all.

    They are linear in the batches' statistics, so that it does not matter how often this is done.
    """
    if processes.world == 1:
        return
    for norm in layer.sublayers(include_self=True):
        if isinstance(norm, _BatchNormBase) and not isinstance(norm, _Synchronised):
            for statistic in (norm._mean, norm._variance):
                statistic.set_value(processes.mean(statistic))


class _Synchronised:
    """How a batch norm of any rank trains on the batches of all processes.

    Two sums over the processes: of the values for the mean, then of the squared deviations from
    it, because a variance from E[x^2] - E[x]^2 cancels in float32.
    """

    def _normalise_maps(self: Any, x: paddle.Tensor) -> paddle.Tensor:
        return self._normalise_pooled(x)  # Paddle's kernel knows one process only

    def _normalise_pooled(self: Any, input: paddle.Tensor) -> paddle.Tensor:
        x = input.astype(self._mean.dtype)  # auto_cast gives half precision
        axes = [axis for axis in range(x.ndim) if axis != self._channel_axis(x)]
        shape = [1 if axis in axes else -1 for axis in range(x.ndim)]
        own = paddle.full([1], x.size // self._num_features, x.dtype)
        *_, count = sums = _Sum.apply(paddle.concat([x.sum(axes), own]))  # (channels + 1,)
        if float(count) == 1:  # as in odconv_paddle.layers.norm, with the global batch's count
            return self._normalised(x, self._mean, self._variance, shape).astype(input.dtype)
        mean = sums[:-1] / count.detach()
        centred = x - mean.reshape(shape)
        variance = _Sum.apply((centred * centred).sum(axes)) / count.detach()
        self._track_global(mean, variance, float(count))
        return self._normalised(x, mean, variance, shape).astype(input.dtype)

    def _normalised(
        self: Any,
        x: paddle.Tensor,
        mean: paddle.Tensor,
        variance: paddle.Tensor,
        shape: list[int],
    ) -> paddle.Tensor:
        y = (x - mean.reshape(shape)) * paddle.rsqrt(variance + self._epsilon).reshape(shape)
        y = y if self.weight is None else y * self.weight.reshape(shape)
        return y if self.bias is None else y + self.bias.reshape(shape)

    @paddle.no_grad()
    def _track_global(
        self: Any, mean: paddle.Tensor, variance: paddle.Tensor, count: float
    ) -> None:
        new = 1 - self._momentum
        unbiased = variance * (count / (count - 1))
        paddle.assign(paddle.lerp(self._mean, mean, new), self._mean)
        paddle.assign(paddle.lerp(self._variance, unbiased, new), self._variance)


class SyncBatchNorm1D(_Synchronised, BatchNorm1D):
    """`BatchNorm1D` over the batches of all processes, which may differ in size."""


class SyncBatchNorm2D(_Synchronised, BatchNorm2D):
    """`BatchNorm2D` over the batches of all processes, which may differ in size."""


class SyncBatchNorm3D(_Synchronised, BatchNorm3D):
    """`BatchNorm3D` over the batches of all processes, which may differ in size."""


_KINDS = (
    (BatchNorm1D, SyncBatchNorm1D),
    (BatchNorm2D, SyncBatchNorm2D),
    (BatchNorm3D, SyncBatchNorm3D),
)


class _Sum(PyLayer):
    """The sum over all processes; the gradient is the sum of their gradients."""

    @staticmethod
    def forward(ctx: Any, tensor: paddle.Tensor) -> paddle.Tensor:
        return _summed(tensor)

    @staticmethod
    def backward(ctx: Any, gradient: paddle.Tensor) -> paddle.Tensor:
        return _summed(gradient)


def _summed(tensor: paddle.Tensor) -> paddle.Tensor:
    total = tensor.clone()
    dist.all_reduce(total)
    return total


def _like(norm: Any, kind: Any) -> nn.Layer:
    """The same arrays, not copies, so that whoever holds a parameter keeps holding it."""
    new = kind(
        norm._num_features,
        norm._momentum,
        norm._epsilon,
        weight_attr=norm._weight_attr,
        bias_attr=norm._bias_attr,
        data_format=norm._data_format,
        use_global_stats=norm._use_global_stats,
    )
    new.weight, new.bias = norm.weight, norm.bias
    new._mean, new._variance = norm._mean, norm._variance
    new.train() if norm.training else new.eval()
    return new
