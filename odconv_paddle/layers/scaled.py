"""What channel and filter attention scale: the kernels, or the maps where those are smaller.

Paddle gets the memory of a large map anew for every operation, which takes longer than using it.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import paddle


def scaled(
    x: paddle.Tensor,
    kernels: paddle.Tensor,
    channel: paddle.Tensor | None,
    filters: paddle.Tensor | None,
    sizes: Sequence[int | paddle.Tensor],
    groups: int,
) -> tuple[paddle.Tensor, paddle.Tensor, paddle.Tensor | None]:
    """Applies each attention to the map or to the kernels, whichever is smaller.

    Args:
        x: (batch, in, *map).
        kernels: (batch or 1, out, in // groups, *kernel).
        channel: (batch, in, *ones) or None.
        filters: (batch, out, *ones) or None.
        sizes: of the map after the convolution.
        groups: number of groups of channels.

    Returns:
        The input, the kernels, and what the output has still to be multiplied with.
    """
    limit, out = prod(kernels.shape[1:]), kernels.shape[1]
    # A static graph holds for any batch size, and its maps may be of any size.
    known = paddle.in_dynamic_mode() and x.shape[0] > 0
    if channel is not None:
        if known and prod(x.shape[1:]) > limit:
            kernels = kernels * _of_each_output(channel, kernels, groups)
        else:
            x = x * channel.astype(x.dtype)
    if filters is not None and known and out * prod(sizes) > limit:
        kernels, filters = kernels * filters.astype(kernels.dtype).unsqueeze(2), None
    return x, kernels, filters


def times(y: paddle.Tensor, factor: paddle.Tensor | None) -> paddle.Tensor:
    """An output that is used nowhere else yet, times a factor; in place where it needs no graph."""
    if factor is None:
        return y
    factor = factor.astype(y.dtype)
    if paddle.in_dynamic_mode() and not paddle.is_grad_enabled():
        return y.multiply_(factor)
    return y * factor


def _of_each_output(channel: paddle.Tensor, kernels: paddle.Tensor, groups: int) -> paddle.Tensor:
    """What scales the input channels of each output: (batch, out or 1, in // groups, *ones)."""
    channel, ones = channel.astype(kernels.dtype), [1] * (kernels.ndim - 3)
    if groups == 1:
        return channel.unsqueeze(1)
    out, inner = kernels.shape[1:3]
    each = channel.reshape([-1, groups, 1, inner]).expand([-1, groups, out // groups, inner])
    return each.reshape([-1, out, inner, *ones])
