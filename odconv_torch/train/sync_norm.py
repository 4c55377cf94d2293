"""Batch norms over several processes: running statistics, and those of the global batch.

torch.nn.SyncBatchNorm computes on accelerators only: its forward refuses CPU tensors
(https://docs.pytorch.org/docs/stable/generated/torch.nn.SyncBatchNorm.html).
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from odconv_torch.train.processes import Processes


def synchronised(model: nn.Module, device: torch.device) -> nn.Module:
    """`model` with batch norms over all processes, under the same names in its state dict."""
    if device.type == "cpu":
        return _exchanged(model)
    # Its error for a single value per channel cannot occur: every process has a sample.
    return nn.SyncBatchNorm.convert_sync_batchnorm(model)


@torch.no_grad()
def average_statistics(model: nn.Module, processes: Processes) -> None:
    """Makes running statistics the mean over all processes, each of which saw its own share.

    They are linear in the batches' statistics, so that it does not matter how often this is done.
    """
    if processes.world == 1:
        return
    for norm in model.modules():
        if isinstance(norm, _BatchNorm) and not isinstance(norm, (SyncNorm, nn.SyncBatchNorm)):
            for statistic in (norm.running_mean, norm.running_var):
                if statistic is not None:
                    statistic.copy_(processes.mean(statistic))


class SyncNorm(_BatchNorm):
    """A batch norm of any rank over the batches of all processes, which may differ in size.

    Two sums over the processes: of the values for the mean, then of the squared deviations from
    it, because a variance from E[x^2] - E[x]^2 cancels in float32.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        # Without a graph of its own there is nothing to synchronise, as in SyncBatchNorm.
        if not self.training or self.running_mean is None:
            return super().forward(input)
        x = input.to(self.weight.dtype)  # autocast gives half precision
        axes = [axis for axis in range(x.dim()) if axis != 1]
        count = x.new_full((1,), x.numel() // x.shape[1])
        sums = _Sum.apply(torch.cat([x.sum(axes), count]))  # (channels + 1,)
        values = sums[-1].detach()
        if values == 1:  # as in odconv_torch.layers.norm, with the global batch's count
            return self._by_running_statistics(input)
        shape = (1, -1, *[1] * (x.dim() - 2))  # (1, channels, *ones)
        mean = sums[:-1] / values
        centred = x - mean.reshape(shape)
        variance = _Sum.apply(centred.square().sum(axes)) / values
        self._update(mean.detach(), variance.detach() * values / (values - 1))
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (centred * scale.reshape(shape) + self.bias.reshape(shape)).to(input.dtype)

    def _by_running_statistics(self, input: torch.Tensor) -> torch.Tensor:
        return F.batch_norm(
            input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
        )

    @torch.no_grad()
    def _update(self, mean: torch.Tensor, unbiased_variance: torch.Tensor) -> None:
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        pairs = ((self.running_mean, mean), (self.running_var, unbiased_variance))
        for statistic, value in pairs:
            if statistic is not None and self.momentum is not None:
                statistic.lerp_(value, self.momentum)

    def _check_input_dim(self, input: torch.Tensor) -> None:
        """Any rank is right."""


class _Sum(torch.autograd.Function):
    """The sum over all processes; the gradient is the sum of their gradients."""

    @staticmethod
    def forward(ctx: Any, tensor: torch.Tensor) -> torch.Tensor:
        return _summed(tensor)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        return _summed(gradient)


def _summed(tensor: torch.Tensor) -> torch.Tensor:
    total = tensor.clone(memory_format=torch.contiguous_format)
    dist.all_reduce(total)
    return total


def _exchanged(module: nn.Module) -> nn.Module:
    if isinstance(module, _BatchNorm):
        return _like(module)
    for name, child in module.named_children():
        setattr(module, name, _exchanged(child))
    return module


def _like(norm: _BatchNorm) -> SyncNorm:
    """The same arrays, not copies, so that whoever holds a parameter keeps holding it."""
    new = SyncNorm(norm.num_features, norm.eps, norm.momentum)
    for name, parameter in norm.named_parameters():
        setattr(new, name, parameter)
    for name, buffer in norm.named_buffers():
        setattr(new, name, buffer)
    return new.train(norm.training)
