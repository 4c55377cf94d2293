"""The way from a map to a few numbers for each sample: attentions and heads begin with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import paddle
from paddle.nn import functional as F

from odconv_paddle.layers.differentiable import flattened, is_recorded, maximum

_MEANS: tuple[Callable[..., paddle.Tensor], ...] = (  # by rank - 1
    F.adaptive_avg_pool1d,
    F.adaptive_avg_pool2d,
    F.adaptive_avg_pool3d,
)


def global_mean(x: paddle.Tensor, keepdim: bool = True) -> paddle.Tensor:
    """The mean over the map: (batch, channels, *map) to (batch, channels, *ones)."""
    # Over several axes at once, the gradient of Paddle's mean takes four times as long on a CPU.
    mean = flattened(x, 2).mean(2)  # (batch, channels)
    return mean.unsqueeze(list(range(2, x.ndim))) if keepdim else mean


def global_max(x: paddle.Tensor, keepdim: bool = True) -> paddle.Tensor:
    """The maximum over the map: (batch, channels, *map) to (batch, channels, *ones)."""
    # Over three axes at once, the gradient of `amax` is memory that was never written.
    most = maximum(flattened(x, 2), 2).squeeze(2)  # (batch, channels)
    return most.unsqueeze(list(range(2, x.ndim))) if keepdim else most


def adaptive_mean(x: paddle.Tensor, sizes: Sequence[int]) -> paddle.Tensor:
    """The means over windows, as many along each axis: (batch, channels, *map) to (..., *sizes).

    Windows overlap where the map does not divide, and are alike where it is smaller.
    """
    if not is_recorded(x):
        return _MEANS[len(sizes) - 1](x, sizes[0] if len(sizes) == 1 else list(sizes))
    # A product along each axis has second derivatives, which Paddle's pooling has not.
    for axis in reversed(range(2, x.ndim)):
        means = paddle.to_tensor(_window_means(x.shape[axis], sizes[axis - 2]), dtype=x.dtype)
        order = [other for other in range(x.ndim) if other != axis]
        back = [*range(axis), x.ndim - 1, *range(axis, x.ndim - 1)]
        x = x.transpose([*order, axis]).matmul(means).transpose(back)
    return x


def _window_means(size: int, count: int) -> list[list[float]]:
    """(size, count): window i is from i * size / count, rounded down, to the next, rounded up."""
    windows = [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]
    return [
        [(start <= place < end) / (end - start) for start, end in windows] for place in range(size)
    ]
