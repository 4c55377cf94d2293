"""The kernel of each sample, with those attentions in it that are cheaper there than on the maps.

A channel attention may scale the input or the kernel that sees it, and a filter attention the
output or the kernel that makes it. The smaller of both is scaled: of a layer on large maps the
kernels, which saves a pass over each map and its memory, of one on small maps the maps. Where taps
have an attention the kernels are scaled anyway, and a channel attention costs nothing in it.
"""

from __future__ import annotations

from math import prod

import torch

from odconv_torch.layers.attentions import Attentions
from odconv_torch.layers.forms.recording import exports_a_graph, records_a_graph
from odconv_torch.layers.window import Window


def scaled(
    x: torch.Tensor,
    weight: torch.Tensor,
    attentions: Attentions,
    window: Window,
    passes: int = 1,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """Applies each attention to the map or to the kernels, whichever is smaller.

    Args:
        x: (batch, in, *map).
        weight: (kernel_num, out, in // groups, *kernel).
        attentions: of the samples.
        window: how the kernels move.
        passes: over the output that it costs to multiply it.

    Returns:
        The input; the kernels, (batch, out, in // groups, *kernel) in the dtype of the input; and
        what the output has still to be multiplied with.
    """
    if attentions.one_set_per_kernel(x.dim() - 2):
        return x, aggregate_scaled(weight, attentions, window.groups).to(x.dtype), None
    channel, filters, spatial, kernel = attentions
    kernels, after, kernel_size = aggregate(weight, kernel), None, prod(weight.shape[1:])
    if channel is not None and spatial is None and prod(x.shape[1:]) <= kernel_size:
        x, channel = x * channel, None
    if filters is not None:
        positions = prod(window.output_size(x.shape, weight.shape[3:]))
        if passes * weight.shape[1] * positions <= kernel_size:
            after, filters = filters, None
    own = kernel is not None  # mixed here, and not the layer's array
    kernels = _times(kernels, channel, filters, spatial, window.groups, own)
    return x, kernels.expand(x.shape[0], *weight.shape[1:]).to(x.dtype), after


def aggregate(weight: torch.Tensor, kernel: torch.Tensor | None) -> torch.Tensor:
    """The mixture of each sample, (batch, out, in // groups, *kernel); (1, ...) of one kernel."""
    if kernel is None:
        return weight
    # A matrix product: the (batch, kernel_num, out, ...) product is never held in memory.
    return (kernel.to(weight.dtype) @ weight.flatten(1)).unflatten(1, weight.shape[1:])


def scaled_kernels(weight: torch.Tensor, attentions: Attentions, groups: int) -> torch.Tensor:
    """The kernel of each sample with all attentions in it, (batch, out, in // groups, *kernel).

    Those of all kernels together, whose input and output stay as they are.
    """
    channel, filters, spatial, kernel = attentions
    kernels = aggregate(weight, kernel)
    return _times(kernels, channel, filters, spatial, groups, own=kernel is not None)


def times(y: torch.Tensor, factor: torch.Tensor | None) -> torch.Tensor:
    """An array that is used nowhere else yet, times an attention.

    In place where no graph is recorded: new memory for a large one takes longer than the product.
    """
    if factor is None:
        return y
    own = not (torch.is_grad_enabled() or records_a_graph()) and y.dtype == factor.dtype
    if not own:
        return y * factor
    try:
        return y.mul_(factor)
    except RuntimeError:  # torch.func.vmap may give the factor alone an axis, which is not in sight
        return y * factor


def _times(
    kernels: torch.Tensor,
    channel: torch.Tensor | None,
    filters: torch.Tensor | None,
    spatial: torch.Tensor | None,
    groups: int,
    own: bool,
) -> torch.Tensor:
    """The factors are multiplied with each other first, where that is smaller than the kernels.

    Products with the kernels that stand one behind the other are one operation in OpenVINO.
    """
    rows = None if filters is None else filters[:, :, None]  # (batch, out, 1, *ones)
    if channel is not None:
        each = _of_each_output(channel, groups, kernels.shape[1])
        if each.shape[1:3] == (*kernels.shape[1:2], 1):  # as of depthwise: no product is smaller
            rows = each if rows is None else each * rows
        else:
            spatial = each if spatial is None else each * spatial
    factors = [factor for factor in (rows, spatial) if factor is not None]
    lone = exports_a_graph() and all(_is_lone(array) for array in (kernels, *factors))
    if lone:  # without an axis of samples, which the graph would drop behind the products
        kernels, factors = kernels.squeeze(0), [factor.squeeze(0) for factor in factors]
    for factor in factors:
        kernels, own = times(kernels, factor) if own else kernels * factor, True
    return kernels.unsqueeze(0) if lone else kernels


def _is_lone(array: torch.Tensor) -> bool:
    """Whether it is known to be of one sample."""
    return isinstance(array.shape[0], int) and not torch.jit.is_tracing() and array.shape[0] == 1


def _of_each_output(channel: torch.Tensor, groups: int, out: int) -> torch.Tensor:
    """What scales the input channels of each output: (batch, out or 1, in // groups, *ones)."""
    if groups == 1:
        return channel[:, None]
    each = channel.unflatten(1, (groups, 1, -1))
    return each.expand(-1, -1, out // groups, *each.shape[3:]).flatten(1, 2)


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
