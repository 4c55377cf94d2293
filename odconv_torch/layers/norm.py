"""Norms: torch's own, but for a batch with one value per channel and for the axis of channels.

torch.nn.BatchNorm raises there in training mode, which in ODConv's attention means every batch of
one sample (https://github.com/OSVAI/ODConv/issues/23). With a single value the batch's variance
says nothing, so these layers normalise such a batch with the running statistics and leave the
statistics alone. In all else the batch norms are torch's layers, down to the state dict.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from odconv_torch.layers.leaf import leaf
from odconv_torch.layers.watching import is_plain


class _OneValue(nn.modules.batchnorm._BatchNorm):
    @leaf
    def forward(self, input: torch.Tensor) -> torch.Tensor:
        # Without running statistics there is nothing to fall back on: torch's error is right.
        if self.running_mean is None or (self.training and not _one_value(input)):
            return super().forward(input)
        self._check_input_dim(input)
        return normed(self, input)


def normed(norm: Any, input: torch.Tensor) -> torch.Tensor:
    """(batch, channels, *map) by the running statistics of a batch norm."""
    return F.batch_norm(
        input, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps
    )


def normed_in_place(norm: Any, input: torch.Tensor) -> torch.Tensor:
    """The same in the memory of the input, which nothing else uses."""
    try:
        torch.ops.aten.native_batch_norm.out(
            *(input, norm.weight, norm.bias, norm.running_mean, norm.running_var, False, 0.0),
            norm.eps,
            out=input,
            save_mean=input.new_empty(0),
            save_invstd=input.new_empty(0),
        )
    except RuntimeError:  # torch.func.vmap has no way to write there
        return normed(norm, input)
    return input


def is_fixed(norm: nn.Module) -> bool:
    """Whether calling the norm is no more than `normed`, which no hook sees."""
    if norm.training or not is_plain(norm, _OneValue):
        return False
    return norm.running_mean is not None


def _one_value(input: torch.Tensor) -> bool:
    return input.shape[0] == 1 and input.shape[2:].numel() == 1


class BatchNorm1d(_OneValue, nn.BatchNorm1d):
    """`torch.nn.BatchNorm1d` that accepts a single value per channel in training.

    Takes the arguments of that layer, and maps of the same shape: (batch, channels, *map).

    Example:
        >>> BatchNorm1d(6)(torch.rand(2, 6, 9)).shape
        torch.Size([2, 6, 9])
    """


class BatchNorm2d(_OneValue, nn.BatchNorm2d):
    """`torch.nn.BatchNorm2d` that accepts a single value per channel in training.

    Takes the arguments of that layer, and maps of the same shape: (batch, channels, *map).

    Example:
        >>> BatchNorm2d(6)(torch.rand(2, 6, 8, 9)).shape
        torch.Size([2, 6, 8, 9])
    """


class BatchNorm3d(_OneValue, nn.BatchNorm3d):
    """`torch.nn.BatchNorm3d` that accepts a single value per channel in training.

    Takes the arguments of that layer, and maps of the same shape: (batch, channels, *map).

    Example:
        >>> BatchNorm3d(6)(torch.rand(2, 6, 7, 8, 9)).shape
        torch.Size([2, 6, 7, 8, 9])
    """


class LayerNorm(nn.LayerNorm):
    """`torch.nn.LayerNorm` of each sample over its channels: (batch, channels, *ones).

    Takes the arguments of that layer.

    Example:
        >>> LayerNorm(6)(torch.rand(2, 6, 1, 1)).shape
        torch.Size([2, 6, 1, 1])
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        # Autocast gives half precision beside weights of float32.
        channels = input.flatten(1).to(self.weight.dtype)  # (batch, channels)
        return super().forward(channels).to(input.dtype).reshape(input.shape)


BATCH_NORMS = (BatchNorm1d, BatchNorm2d, BatchNorm3d)  # by rank - 1
