"""The way from a map to a few numbers for each sample, which every attention begins with."""

from __future__ import annotations

from math import prod

import torch
from torch.nn import functional as F
from torch.nn.modules.conv import _ConvNd


def global_mean(x: torch.Tensor) -> torch.Tensor:
    """The mean over the map: (batch, channels, *map) to (batch, channels)."""
    axes = tuple(range(2, x.dim()))
    if x.dtype in (torch.float16, torch.bfloat16):
        return x.mean(axes)  # the sum may be too large for them
    # The gradient of a sum is a view, that of a mean a map: this saves writing and reading it.
    return x.sum(axes) / prod(x.shape[2:])


def pointwise(conv: _ConvNd, x: torch.Tensor) -> torch.Tensor:
    """A 1x1 convolution on a map of one position, (batch, in) to (batch, out).

    The product is the same, and a tenth of the work around it.
    """
    return F.linear(x, conv.weight.flatten(1), conv.bias)
