"""Convolutions with the kernels as they are stored, whose outputs are mixed.

The attentions scale what the kernels see and what they make, so that every kernel is a constant of
the graph: what accelerators and quantisation ask for. No map has more axes than the input, and
nothing is looked up by an index or by a shape. It takes `kernel_num` times the arithmetic.
"""

from __future__ import annotations

from math import prod

import numpy as np
import torch

from odconv_torch.layers.attentions import Attentions
from odconv_torch.layers.forms.columns import columns_of, constant, known, plain_conv
from odconv_torch.layers.padding import no_padding
from odconv_torch.layers.window import Window


def portable(
    x: torch.Tensor, weight: torch.Tensor, attentions: Attentions, window: Window
) -> torch.Tensor:
    """Where each kernel sees something else, or there are groups, each sees a copy of the map."""
    rank = x.dim() - 2
    own = attentions.one_set_per_kernel(rank)
    count, out, depth, *taps = known(weight.shape)
    weight, seen = weight.to(x.dtype), factor_of_input(attentions, own, depth * window.groups)
    if attentions.spatial is not None:  # which scales the patches: these see pointwise kernels
        x = columns_of(x, taps, window)
        weight = weight.reshape(count, out, depth * prod(taps), *[1] * rank)
        window = Window((1,) * rank, no_padding(rank), (1,) * rank, window.groups)
    if not own:
        x = times_channels(x, seen)
    if count > 1 and (own or window.groups > 1):
        x = torch.cat([x] * count, dim=1)  # (batch, kernel_num * in [* taps], *map)
        window = window._replace(groups=window.groups * count)
    if own:
        x = times_channels(x, seen)
    z = plain_conv(x, weight.flatten(0, 1), window)  # (batch, kernel_num * out, *map)
    z = times_channels(z, _factor_of_outputs(attentions, own, out))
    if count == 1:  # a runtime would copy the map to split it into one
        return z
    first, *others = z.split(out, dim=1)
    return sum(others, first)


def factor_of_input(attentions: Attentions, own: bool, channels: int) -> torch.Tensor | None:
    """What scales the channels that the kernels see: (batch, [kernel_num,] in, [taps])."""
    channel, _, spatial, _ = attentions
    lead = 2 if own else 1
    if channel is not None:
        channel = channel.flatten(lead)
    if spatial is None:
        return channel
    spatial = spatial.flatten(lead).unsqueeze(lead)
    if channel is None:  # an expansion would look at the size of the batch
        return spatial * constant(np.ones((channels, 1)), spatial)
    return channel.unsqueeze(-1) * spatial


def _factor_of_outputs(attentions: Attentions, own: bool, out: int) -> torch.Tensor | None:
    """What scales the outputs of the kernels: (batch, kernel_num, out), or without some axes."""
    _, filters, _, kernel = attentions
    if filters is not None:
        filters = filters.flatten(2 if own else 1)  # (batch, [kernel_num,] out)
    if kernel is None:
        return filters
    kernel = kernel.unsqueeze(2)
    if filters is None:
        return kernel * constant(np.ones((1, out)), kernel)
    return kernel.to(filters.dtype) * (filters if own else filters.unsqueeze(1))


def times_channels(x: torch.Tensor, factor: torch.Tensor | None) -> torch.Tensor:
    """The map times a factor whose axes behind the batch are its channels, one after the other."""
    if factor is None:
        return x
    channels = prod(known(factor.shape[1:]))
    return x * factor.reshape(-1, channels, *[1] * (x.dim() - 2)).to(x.dtype)
