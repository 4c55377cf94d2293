"""Kernels that are mixed for a few outputs at a time, in inference on small maps.

The mixed kernels of all samples may be many times the map. Memory of more than 32 MiB comes from
the system for each use, whose time is longer than that of the mixing, see `man 3 mallopt`; a tile
stays where it was, and in the cache. A training keeps the mixed kernels for the gradients.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import paddle

from odconv_paddle.layers.per_sample import maps_are_smaller, patches

_MOST_AT_ONCE = 1 << 23  # numbers, 32 MiB of float32
_TILE = 1 << 21


def are_faster(
    x: paddle.Tensor,
    weight: paddle.Tensor,
    sizes: Sequence[int | paddle.Tensor],
    groups: int,
) -> bool:
    """Whether to mix in tiles; `sizes` are of the map after the convolution."""
    if groups > 1 or not paddle.in_dynamic_mode() or paddle.is_grad_enabled():
        return False
    large = x.shape[0] * prod(weight.shape[1:]) > _MOST_AT_ONCE
    return large and maps_are_smaller(sizes, weight.shape[1])


def conv_in_tiles(
    x: paddle.Tensor,
    weight: paddle.Tensor,
    mixing: paddle.Tensor,
    spatial: paddle.Tensor | None,
    sizes: Sequence[int | paddle.Tensor],
    stride: Sequence[int],
    padding: Sequence[tuple[int, int]],
    dilation: Sequence[int],
) -> paddle.Tensor:
    """Each sample convolved with its own mixture of kernels.

    Args:
        x: (batch, in, *map).
        weight: (kernel_num, out, in, *kernel).
        mixing: (batch, kernel_num).
        spatial: what scales the taps of each sample, (batch, 1, 1, *kernel), or None.
        sizes: of the map after the convolution.
        stride: step along each axis of the map.
        padding: zeros (before, after) each axis of the map.
        dilation: distance of neighbouring taps along each axis.
    """
    number, out, *shape = weight.shape
    taps = prod(shape)  # of all input channels
    columns = patches(x, shape[1:], spatial, stride, padding, dilation).reshape([0, taps, -1])
    mixing, rows = mixing.astype(weight.dtype), max(1, _TILE // (x.shape[0] * taps))
    outputs = []
    for start in range(0, out, rows):
        tile = weight[:, start : start + rows].reshape([number, -1])
        kernels = paddle.matmul(mixing, tile).reshape([x.shape[0], -1, taps]).astype(x.dtype)
        outputs.append(paddle.matmul(kernels, columns))
    return paddle.concat(outputs, axis=1).reshape([0, out, *sizes])
