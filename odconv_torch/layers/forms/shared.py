"""All samples with the kernels as they are stored: no sample has a kernel of its own.

The attentions scale what the kernels see and what they make: the channel attention the input, the
spatial attention the patches of the map, the kernel and the filter attention the outputs of each
kernel. That takes `kernel_num` times the arithmetic, and saves the memory traffic of kernels, which
is what small maps of many channels cost.
"""

from __future__ import annotations

from math import prod

import torch

from odconv_torch.layers.attentions import Attentions
from odconv_torch.layers.forms.columns import plain_conv
from odconv_torch.layers.forms.grouped import CONVS
from odconv_torch.layers.forms.patches import patches_of
from odconv_torch.layers.forms.scaled import times
from odconv_torch.layers.window import Window


def shared(
    x: torch.Tensor, weight: torch.Tensor, attentions: Attentions, window: Window
) -> torch.Tensor:
    """Each kernel must see the same: attentions of one kernel alone have no place here."""
    if attentions.channel is not None:
        x = x * attentions.channel
    if len(weight) == 1 and attentions.spatial is None and attentions.kernel is None:
        return times(plain_conv(x, weight[0].to(x.dtype), window), attentions.filter)
    z = _all_outputs(x, weight.to(x.dtype), attentions.spatial, window)
    y = z[:, :, 0] if attentions.kernel is None else _mixed(z, attentions.kernel)
    y = y.flatten(1, 2)  # (batch, out, *map)
    return times(y, attentions.filter)


def _all_outputs(
    x: torch.Tensor, weight: torch.Tensor, spatial: torch.Tensor | None, window: Window
) -> torch.Tensor:
    """What every kernel makes, (batch, groups, kernel_num, out // groups, *map)."""
    groups, taps = window.groups, weight.shape[3:]
    size = window.output_size(x.shape, taps)
    bank = weight.unflatten(1, (groups, -1)).transpose(0, 1)  # the groups come first
    if spatial is None:
        z = plain_conv(x, bank.flatten(0, 2), window)
    else:
        count = prod(taps)
        columns = patches_of(x, taps, window) * spatial.reshape(x.shape[0], 1, 1, count, 1)
        columns = columns.reshape(x.shape[0], x.shape[1] * count, *size)
        ones = (1,) * len(taps)
        bank = bank.reshape(-1, weight[0, 0].numel(), *ones)  # pointwise, on all taps at once
        z = CONVS[x.dim() - 3](columns, bank, groups=groups)
    # Of no samples torch infers no axis.
    return z.reshape(x.shape[0], groups, len(weight), weight.shape[1] // groups, *size)


def _mixed(z: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    """The outputs of the kernels, mixed: (batch, groups, out // groups, *map)."""
    mixing = kernel.to(z.dtype)[:, None, None]  # (batch, 1, 1, kernel_num)
    return (mixing @ z.flatten(3)).squeeze(2).unflatten(2, z.shape[3:])
