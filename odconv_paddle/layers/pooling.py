"""The way from a map to a few numbers for each sample: attentions and heads begin with it."""

from __future__ import annotations

import paddle

from odconv_paddle.layers.differentiable import flattened, maximum


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
