"""The way from a map to a few numbers for each sample, which every attention begins with."""

from __future__ import annotations

from math import prod

import torch


def global_mean(x: torch.Tensor) -> torch.Tensor:
    """The mean over the map: (batch, channels, *map) to (batch, channels, *ones)."""
    axes = tuple(range(2, x.dim()))
    # The sum may be too large for half precision.
    if not torch.is_grad_enabled() or x.dtype in (torch.float16, torch.bfloat16):
        return x.mean(axes, keepdim=True)
    # The gradient of a sum is a view, that of a mean a map: this saves writing and reading it.
    return x.sum(axes, keepdim=True) / prod(x.shape[2:])


def global_max(x: torch.Tensor) -> torch.Tensor:
    """The maximum over the map: (batch, channels, *map) to (batch, channels, *ones)."""
    return x.amax(tuple(range(2, x.dim())), keepdim=True)
