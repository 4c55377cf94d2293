"""ODConv as a function of its input, its kernels and its attentions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional as F

from odconv_torch.layers.attention import Attentions

_CONVS = (F.conv1d, F.conv2d, F.conv3d)  # by rank - 1


def od_conv(
    x: torch.Tensor,
    weight: torch.Tensor,
    attentions: Attentions,
    bias: torch.Tensor | None = None,
    stride: Sequence[int] = (1, 1),
    padding: Sequence[tuple[int, int]] = ((0, 0), (0, 0)),
    dilation: Sequence[int] = (1, 1),
    groups: int = 1,
) -> torch.Tensor:
    """Omni-dimensional dynamic convolution, https://openreview.net/forum?id=DmpCfq6Mg39, eq. 2.

    Args:
        x: (batch, in, *map).
        weight: (kernel_num, out, in // groups, *kernel).
        attentions: what scales the input, the kernels and the output.
        bias: (out,), added after the filter attention.
        stride: step along each axis of the map.
        padding: zeros (before, after) each axis of the map.
        dilation: distance of neighbouring taps along each axis.
        groups: number of groups of channels.

    Returns:
        (batch, out, *map after convolution).
    """
    if attentions.channel is not None:
        x = x * attentions.channel
    kernels = aggregate(weight, attentions.kernel, attentions.spatial)
    y = _conv_per_sample(x, kernels, stride, padding, dilation, groups)
    if attentions.filter is not None:
        y = y * attentions.filter
    return y if bias is None else y + bias.reshape(-1, *[1] * (y.dim() - 2))


def aggregate(
    weight: torch.Tensor, kernel: torch.Tensor | None, spatial: torch.Tensor | None
) -> torch.Tensor:
    """The kernel of each sample, (batch, out, in // groups, *kernel).

    Where neither attention exists all samples share one kernel and the batch is 1.
    """
    if kernel is not None:
        # A matrix product: the (batch, kernel_num, out, ...) product is never held in memory.
        weight = (kernel.to(weight.dtype) @ weight.flatten(1)).unflatten(1, weight.shape[1:])
    return weight if spatial is None else weight * spatial


def _conv_per_sample(
    x: torch.Tensor,
    kernels: torch.Tensor,  # (batch or 1, out, in // groups, *kernel)
    stride: Sequence[int],
    padding: Sequence[tuple[int, int]],
    dilation: Sequence[int],
    groups: int,
) -> torch.Tensor:
    x, pads = _pad(x, padding)
    conv = _CONVS[x.dim() - 3]
    if kernels.shape[0] == 1:
        return conv(x, kernels[0].to(x.dtype), None, stride, pads, dilation, groups)
    batch = x.shape[0]
    # Samples become groups of one convolution. `reshape`, because x may be channels_last.
    y = conv(
        x.reshape(1, -1, *x.shape[2:]),
        kernels.flatten(0, 1).to(x.dtype),
        None,
        stride,
        pads,
        dilation,
        groups * batch,
    )  # (1, batch * out, *map)
    return y.reshape(batch, -1, *y.shape[2:])


def _pad(
    x: torch.Tensor, padding: Sequence[tuple[int, int]]
) -> tuple[torch.Tensor, tuple[int, ...]]:
    """The input and the symmetric padding that is left for the convolution to do."""
    if all(before == after for before, after in padding):
        return x, tuple(before for before, _ in padding)
    # F.pad takes the last axis first.
    return F.pad(x, [side for pair in reversed(padding) for side in pair]), (0,) * len(padding)
