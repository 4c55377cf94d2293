"""The way from a map to a few numbers for each sample, which every attention begins with."""

from __future__ import annotations

from math import prod

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.modules.conv import _ConvNd


def global_mean(x: torch.Tensor) -> torch.Tensor:
    """The mean over the map: (batch, channels, *map) to (batch, channels, *ones)."""
    axes = tuple(range(2, x.dim()))
    if x.dtype in (torch.float16, torch.bfloat16):
        return x.mean(axes, keepdim=True)  # the sum may be too large for them
    # The gradient of a sum is a view, that of a mean a map: this saves writing and reading it.
    return x.sum(axes, keepdim=True) / prod(x.shape[2:])


class _Pointwise(_ConvNd):
    """A 1x1 convolution on maps of one position: the same product, with less work around it."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        y = F.linear(input.flatten(1), self.weight.flatten(1), self.bias)
        return y.reshape(*y.shape, *(1,) * (input.dim() - 2))


class Pointwise1d(_Pointwise, nn.Conv1d):
    """`torch.nn.Conv1d` of kernel size 1 for (batch, in, 1)."""


class Pointwise2d(_Pointwise, nn.Conv2d):
    """`torch.nn.Conv2d` of kernel size 1 for (batch, in, 1, 1)."""


class Pointwise3d(_Pointwise, nn.Conv3d):
    """`torch.nn.Conv3d` of kernel size 1 for (batch, in, 1, 1, 1)."""


POINTWISE = (Pointwise1d, Pointwise2d, Pointwise3d)  # by rank - 1
