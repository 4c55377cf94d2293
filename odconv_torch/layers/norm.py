"""Batch normalisation that survives a batch with one value per channel.

torch.nn.BatchNorm raises there in training mode, which in ODConv's attention means every batch of
one sample (https://github.com/OSVAI/ODConv/issues/23). With a single value the batch's variance
says nothing, so these layers normalise such a batch with the running statistics and leave the
statistics alone. In all else they are torch's layers, down to the state dict.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


class _OneValue(nn.modules.batchnorm._BatchNorm):
    def forward(self, input: torch.Tensor) -> torch.Tensor:
        # Without running statistics there is nothing to fall back on: torch's error is right.
        one_value = input.shape[0] == 1 and input.shape[2:].numel() == 1
        if self.training and one_value and self.running_mean is not None:
            return F.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(input)


class BatchNorm1d(_OneValue, nn.BatchNorm1d):
    """`torch.nn.BatchNorm1d` that accepts a single value per channel in training."""


class BatchNorm2d(_OneValue, nn.BatchNorm2d):
    """`torch.nn.BatchNorm2d` that accepts a single value per channel in training."""


class BatchNorm3d(_OneValue, nn.BatchNorm3d):
    """`torch.nn.BatchNorm3d` that accepts a single value per channel in training."""


NORMS = (BatchNorm1d, BatchNorm2d, BatchNorm3d)  # by rank - 1
