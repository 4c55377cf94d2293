"""The dynamic convolutions as functions of their input, their kernels and their attentions."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from odconv_spec.geometry import Pairs
from odconv_torch.layers.attention import Attentions
from odconv_torch.layers.per_sample import conv_per_sample


def od_conv(
    x: torch.Tensor,
    weight: torch.Tensor,
    attentions: Attentions,
    bias: torch.Tensor | None = None,
    stride: Sequence[int] = (1, 1),
    padding: Pairs = ((0, 0), (0, 0)),
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
    if _one_set_per_kernel(attentions, x.dim()):
        kernels = aggregate_scaled(weight, attentions, groups)
        return _plus(conv_per_sample(x, kernels, stride, padding, dilation, groups), bias)
    if attentions.channel is not None:
        x = x * attentions.channel
    kernels = aggregate(weight, attentions.kernel, attentions.spatial)
    y = conv_per_sample(x, kernels, stride, padding, dilation, groups)
    if attentions.filter is not None:
        y = y * attentions.filter
    return _plus(y, bias)


def mixed_conv(
    x: torch.Tensor,
    weight: torch.Tensor,
    mixing: torch.Tensor,
    bias: torch.Tensor | None = None,
    stride: Sequence[int] = (1, 1),
    padding: Pairs = ((0, 0), (0, 0)),
    dilation: Sequence[int] = (1, 1),
    groups: int = 1,
) -> torch.Tensor:
    """DyConv (https://arxiv.org/abs/1912.03458) and CondConv (https://arxiv.org/abs/1904.04971).

    Args:
        x: (batch, in, *map).
        weight: (kernel_num, out, in // groups, *kernel).
        mixing: the weight of each kernel for each sample, (batch, kernel_num).
        bias: (kernel_num, out), mixed like the kernels, or (out,).
        stride: step along each axis of the map.
        padding: zeros (before, after) each axis of the map.
        dilation: distance of neighbouring taps along each axis.
        groups: number of groups of channels.

    Returns:
        (batch, out, *map after convolution).
    """
    y = conv_per_sample(x, aggregate(weight, mixing), stride, padding, dilation, groups)
    if bias is not None and bias.dim() == 2:
        bias = mixing.to(bias.dtype) @ bias  # (batch, out)
    return _plus(y, bias)


def aggregate(
    weight: torch.Tensor,
    kernel: torch.Tensor | None = None,
    spatial: torch.Tensor | None = None,
) -> torch.Tensor:
    """The kernel of each sample, (batch, out, in // groups, *kernel).

    Where neither attention exists all samples share one, (out, in // groups, *kernel).
    """
    if kernel is not None:
        # A matrix product: the (batch, kernel_num, out, ...) product is never held in memory.
        weight = (kernel.to(weight.dtype) @ weight.flatten(1)).unflatten(1, weight.shape[1:])
    elif spatial is None:
        return weight[0]
    return weight if spatial is None else weight * spatial


def aggregate_scaled(weight: torch.Tensor, attentions: Attentions, groups: int) -> torch.Tensor:
    """The same where each kernel has channel, filter and spatial attentions of its own.

    They cannot wait for the input and the output then, so that all of them scale the kernels.
    """
    kernels = weight[None]  # (1 or batch, kernel_num, out, in // groups, *kernel)
    if attentions.spatial is not None:
        kernels = kernels * attentions.spatial
    if attentions.filter is not None:
        kernels = kernels * attentions.filter[:, :, :, None]
    if attentions.channel is not None:
        channel = attentions.channel.unflatten(2, (groups, 1, -1))  # of each group of outputs
        kernels = (kernels.unflatten(2, (groups, -1)) * channel).flatten(2, 3)
    if attentions.kernel is None:
        return kernels[:, 0]  # there is but one
    mixing = attentions.kernel.to(kernels.dtype)[:, None]  # (batch, 1, kernel_num)
    return (mixing @ kernels.flatten(2)).squeeze(1).unflatten(1, weight.shape[1:])


def _one_set_per_kernel(attentions: Attentions, axes: int) -> bool:
    """Whether the attentions of a map with `axes` axes have one for kernels as well."""
    channel, filters, spatial, _ = attentions
    found = [a.dim() > axes for a in (channel, filters) if a is not None]
    if spatial is not None:
        found.append(spatial.dim() > axes + 1)
    return any(found)


def _plus(y: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """`y` and a bias (out,) or (batch, out), in the dtype of `y`."""
    if bias is None:
        return y
    return y + bias.to(y.dtype).reshape(*bias.shape, *[1] * (y.dim() - 2))
