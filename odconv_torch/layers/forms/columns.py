"""The patches of a map by a constant convolution, whose graph every runtime takes.

Each channel passes through one kernel for each tap, which is one there and zero elsewhere. Index
operations and views of six axes would do the same, and are what runtimes are slow at or refuse.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from math import prod

import numpy as np
import torch

from odconv_torch.layers.forms.grouped import CONVS
from odconv_torch.layers.window import Window


def columns_of(x: torch.Tensor, taps: Iterable[int], window: Window) -> torch.Tensor:
    """What each tap of each channel sees, (batch, in * taps, *map after convolution).

    Args:
        x: (batch, in, *map).
        taps: size of the kernels.
        window: how they move.
    """
    taps = known(taps)
    if window.is_pointwise(torch.Size(taps)):
        return x
    (channels,) = known(x.shape[1:2])
    kernels = constant(_one_hot(channels, taps), x)  # (in * taps, 1, *kernel)
    return plain_conv(x, kernels, window._replace(groups=channels))


def plain_conv(x: torch.Tensor, kernel: torch.Tensor, window: Window) -> torch.Tensor:
    """A convolution with one kernel (out, in // groups, *kernel) for all samples."""
    x, window = window.symmetric(x)
    conv = CONVS[x.dim() - 3]
    return conv(x, kernel, None, window.stride, window.sides, window.dilation, window.groups)


def known(sizes: Iterable[int]) -> tuple[int, ...]:
    """Sizes that do not change from call to call, as the numbers that a tracer hides."""
    if not torch.jit.is_tracing():
        return tuple(sizes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        return tuple(int(size) for size in sizes)


def constant(array: np.ndarray, like: torch.Tensor) -> torch.Tensor:
    """A constant of a recorded graph, with the dtype and on the device of another tensor."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # that it becomes a constant
        return torch.tensor(array, dtype=like.dtype, device=like.device)


def _one_hot(channels: int, taps: tuple[int, ...]) -> np.ndarray:
    """A kernel for each tap of each channel, (channels * taps, 1, *taps)."""
    of_one = np.eye(prod(taps), dtype=np.float32).reshape(-1, 1, *taps)
    return np.tile(of_one, (channels, 1, *[1] * len(taps)))
