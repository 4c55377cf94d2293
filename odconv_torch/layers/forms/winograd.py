"""Convolutions with 3x3 kernels by Winograd's products of tiles, for graphs of a known size.

Two by two outputs of a map see four by four inputs. Of sixteen sums of those, each is multiplied by
one sum of the taps, instead of nine inputs for each of the four outputs: 16 products in place of
36. Where kernels are computed, a runtime has nothing else that is faster than patches. The taps are
the first axis of the kernels here, so that their attention is part of how they are added up.

F(2x2, 3x3) of Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016,
https://arxiv.org/abs/1509.09308, section 4.1, whose letters these are.
"""

from __future__ import annotations

from math import prod
from typing import Final

import numpy as np
import torch
from torch.nn import functional as F

from odconv_torch.layers.attentions import Attentions
from odconv_torch.layers.forms.columns import constant
from odconv_torch.layers.forms.scaled import times
from odconv_torch.layers.window import Window

_TAPS, _SEEN, _MADE = 9, 16, 4  # of a tile: taps of the kernel, its inputs, its outputs
_FEWER = 0.8  # of the products of patches, below which tiles take less time in ONNX Runtime


def _of_both_axes(of_one: list[list[float]]) -> np.ndarray:
    """What adds up the elements of a square, from what adds up those of a row."""
    return np.kron(of_one, of_one)


_B: Final = _of_both_axes([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]])  # (16, 16)
_G: Final = _of_both_axes([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])  # (16, 9)
_A: Final = _of_both_axes([[1, 1, 1, 0], [0, 1, -1, -1]])  # (4, 16)


def has_fewer_products(
    x: torch.Tensor, weight: torch.Tensor, attentions: Attentions, window: Window
) -> bool:
    """Whether tiles multiply less than patches, with all that is added up around them.

    Args:
        x: (batch, in, *map), of a known size.
        weight: (kernel_num, out, in // groups, *kernel).
        attentions: of the samples.
        window: how the kernels move.

    Returns:
        False as well where tiles cannot be taken, or where the kernels are constants.
    """
    steps = (*window.stride, *window.dilation, window.groups)
    if weight.shape[3:] != (3, 3) or set(steps) != {1} or attentions.one_set_per_kernel(2):
        return False
    if attentions.kernel is None and attentions.spatial is None:
        return False
    out, inner = weight.shape[1:3]
    size = window.output_size(x.shape, weight.shape[3:])
    sums = _SEEN * inner + _MADE * out  # of what a tile sees, and of its products
    taken = prod(_tiles(size)) * (out * inner + sums) + _TAPS * out * inner  # sixteen times
    return _SEEN * taken <= _FEWER * _TAPS * out * inner * prod(size)


def by_tiles(
    x: torch.Tensor, weight: torch.Tensor, attentions: Attentions, window: Window
) -> torch.Tensor:
    """x (batch, in, height, width) with what `has_fewer_products` takes.

    Channels and filters scale the maps, or the kernels where these are smaller.
    """
    channel, filters, spatial, kernel = attentions
    out, inner = weight.shape[1:3]
    size = window.output_size(x.shape, weight.shape[3:])
    kernels = weight.permute(0, 3, 4, 1, 2).flatten(1).to(x.dtype)  # a constant: taps come first
    kernels = kernels if kernel is None else kernel.to(x.dtype) @ kernels
    kernels = kernels.reshape(-1, _TAPS, out, inner)
    scaled = (channel, filters) != (None, None)
    if scaled and _TAPS * out * inner < prod(x.shape[1:]) + out * prod(size):
        kernels, channel, filters = kernels * _of_pairs(channel, filters), None, None
    x = x if channel is None else x * channel
    of_taps = _sums_of_taps(kernels.flatten(2), spatial)
    sums = of_taps.reshape(-1, out, inner)  # (batch * 16, out, in)
    products = sums @ _sums_of_inputs(x, window, size)  # (batch * 16, out, tiles)
    return times(_outputs(products.reshape(x.shape[0], _SEEN, out, -1), size), filters)


def _tiles(size: tuple[int, ...]) -> tuple[int, ...]:
    """Along each axis of a map, of two positions: the first of an odd number has but one."""
    return tuple((length + 1) // 2 for length in size)


def _of_pairs(channel: torch.Tensor | None, filters: torch.Tensor | None) -> torch.Tensor | float:
    """What scales each output's kernel for each input: (batch, 1, out, in), or 1 for an axis."""
    rows = 1.0 if filters is None else filters.reshape(len(filters), 1, -1, 1)
    return rows if channel is None else rows * channel.reshape(len(channel), 1, 1, -1)


def _sums_of_taps(kernels: torch.Tensor, spatial: torch.Tensor | None) -> torch.Tensor:
    """Sixteen of each kernel: (batch, 16, out * in) of (batch or 1, 9, out * in)."""
    summed = constant(_G, kernels)
    if spatial is not None:
        summed = summed * spatial.reshape(-1, 1, _TAPS).to(kernels.dtype)  # (batch, 16, 9)
    if len(kernels) == 1:  # for all samples, or of the only one
        return summed.reshape(-1, _TAPS) @ kernels.flatten(0, 1)  # which copies nothing
    return summed @ kernels


def _sums_of_inputs(x: torch.Tensor, window: Window, size: tuple[int, ...]) -> torch.Tensor:
    """Sixteen of each tile, (batch * 16, in, tiles): each channel is a sample of a convolution.

    Of an odd number of positions there is one more before the first. The axes of samples and of
    channels change places as a whole, which ONNX Runtime makes part of the product that follows.
    """
    x, window = window.symmetric(x)
    more = [length % 2 for length in size]
    sides = [side + one for side, one in zip(window.sides, more, strict=True)]
    batch, inner = x.shape[:2]
    x = x if batch == 1 else x.transpose(0, 1)  # a transposition of one sample would be a copy
    kernel = constant(_B.reshape(_SEEN, 1, 4, 4), x)
    y = F.conv2d(x.reshape(inner * batch, 1, *x.shape[2:]), kernel, None, 2, sides)
    return y.reshape(inner, batch * _SEEN, -1).transpose(0, 1)


def _outputs(products: torch.Tensor, size: tuple[int, ...]) -> torch.Tensor:
    """The map (batch, out, height, width) of products (batch, 16, out, tiles), side by side."""
    batch, _, out, _ = products.shape
    made = constant(_A, products) @ products.flatten(2)  # (batch, 4, out * tiles)
    parts = made.reshape(batch, _MADE, out, -1).transpose(1, 2).flatten(1, 2)
    whole = tuple(2 * count for count in _tiles(size))
    y = F.fold(parts, whole, 2, stride=2)
    down, right = (length % 2 for length in size)
    return y[:, :, down:, right:] if down or right else y
