"""The way from a map to a few numbers for each sample, which every attention begins with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import torch
from torch.nn import functional as F

from odconv_torch.layers.forms.recording import exports_a_graph, records_a_graph

_MEANS: tuple[Callable[..., torch.Tensor], ...] = (  # by rank - 1
    F.adaptive_avg_pool1d,
    F.adaptive_avg_pool2d,
    F.adaptive_avg_pool3d,
)


def global_mean(x: torch.Tensor) -> torch.Tensor:
    """The mean over the map: (batch, channels, *map) to (batch, channels, *ones)."""
    axes = tuple(range(2, x.dim()))
    # The sum may be too large for half precision, which a graph may be cast to.
    half = x.dtype in (torch.float16, torch.bfloat16)
    if half or not torch.is_grad_enabled() or exports_a_graph():
        return x.mean(axes, keepdim=True)
    # The gradient of a sum is a view, that of a mean a map: this saves writing and reading it.
    return x.sum(axes, keepdim=True) / prod(x.shape[2:])


def global_max(x: torch.Tensor) -> torch.Tensor:
    """The maximum over the map: (batch, channels, *map) to (batch, channels, *ones)."""
    return x.amax(tuple(range(2, x.dim())), keepdim=True)


def adaptive_mean(x: torch.Tensor, sizes: Sequence[int]) -> torch.Tensor:
    """The means over windows, as many along each axis: (batch, channels, *map) to (..., *sizes).

    Windows overlap where the map does not divide, and are alike where it is smaller.
    """
    if not records_a_graph():
        return _MEANS[len(sizes) - 1](x, tuple(sizes))
    # A product along each axis holds for any map, and exists in every format of graphs.
    for axis in reversed(range(2, x.dim())):
        means = _window_means(x.shape[axis], sizes[axis - 2], x)
        x = (x.transpose(axis, -1) @ means.T).transpose(axis, -1)
    return x


def _window_means(size: int, count: int, x: torch.Tensor) -> torch.Tensor:
    """(count, size): window i is from i * size / count, rounded down, to the next, rounded up."""
    starts = torch.arange(count, device=x.device)[:, None] * size
    offsets = torch.arange(size, device=x.device) * count - starts  # both in parts of a position
    inside = ((offsets > -count) & (offsets < size)).to(x.dtype)
    return inside / inside.sum(1, keepdim=True)
