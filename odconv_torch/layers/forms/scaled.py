"""The kernel of each sample, with those attentions in it that are cheaper there than on the maps.

A channel attention may scale the input or the kernel that sees it, and a filter attention the
output or the kernel that makes it. The smaller of both is scaled: of a layer on large maps the
kernels, which saves a pass over each map and its memory, of one on small maps the maps.
"""

from __future__ import annotations

from math import prod

import torch

from odconv_torch.layers.attentions import Attentions
from odconv_torch.layers.window import Window


def scaled(
    x: torch.Tensor, weight: torch.Tensor, attentions: Attentions, window: Window
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """Who the attentions are for.

    Args:
        x: (batch, in, *map).
        weight: (kernel_num, out, in // groups, *kernel).
        attentions: of the samples.
        window: how the kernels move.

    Returns:
        The input; the kernels, (batch, out, in // groups, *kernel) in the dtype of the input; and
        what the output has still to be multiplied with.
    """
    if attentions.one_set_per_kernel(x.dim() - 2):
        return x, aggregate_scaled(weight, attentions, window.groups).to(x.dtype), None
    kernels = aggregate(weight, attentions.kernel)
    kernel_size = prod(weight.shape[1:])
    factors = attentions._replace(kernel=None)
    if factors.channel is not None and prod(x.shape[1:]) <= kernel_size:
        x = x * factors.channel
        factors = factors._replace(channel=None)
    after = None
    positions = prod(window.output_size(x.shape, weight.shape[3:]))
    if factors.filter is not None and weight.shape[1] * positions <= kernel_size:
        after, factors = factors.filter, factors._replace(filter=None)
    kernels = _times(kernels, factors, window.groups)
    return x, kernels.expand(x.shape[0], *weight.shape[1:]).to(x.dtype), after


def aggregate(weight: torch.Tensor, kernel: torch.Tensor | None) -> torch.Tensor:
    """The mixture of each sample, (batch, out, in // groups, *kernel); (1, ...) of one kernel."""
    if kernel is None:
        return weight
    # A matrix product: the (batch, kernel_num, out, ...) product is never held in memory.
    return (kernel.to(weight.dtype) @ weight.flatten(1)).unflatten(1, weight.shape[1:])


def _times(kernels: torch.Tensor, factors: Attentions, groups: int) -> torch.Tensor:
    """The factors are multiplied with each other first: those are smaller than the kernels."""
    spatial, channel, filters = factors.spatial, factors.channel, factors.filter
    if channel is not None:
        ones = (1,) * (kernels.dim() - 3)
        each = channel.reshape(channel.shape[0], groups, 1, -1, *ones)  # of each group of outputs
        per_group = kernels.shape[1] // groups
        each = each.expand(-1, -1, per_group, *each.shape[3:]) if groups > 1 else each
        each = each.flatten(1, 2)  # (batch, out or 1, in // groups, *ones)
        spatial = each if spatial is None else each * spatial
    if filters is not None:
        filters = filters[:, :, None]  # (batch, out, 1, *ones)
        kernels = kernels * filters
    return kernels if spatial is None else kernels * spatial


def aggregate_scaled(weight: torch.Tensor, attentions: Attentions, groups: int) -> torch.Tensor:
    """The mixture where each kernel has channel, filter and spatial attentions of its own.

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
