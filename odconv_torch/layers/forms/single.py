"""A convolution of its own for each sample, for graphs of a batch that does not change.

That of one sample is what the static network has in this place. Several stand one after the other,
which OpenVINO takes in less time than groups of one convolution; samples of depthwise layers are
groups. A kernel that all samples share is a constant between two scaled maps, unless there is one
sample and the kernel is smaller than these.
"""

from __future__ import annotations

from math import prod

import torch

from odconv_torch.layers.attentions import Attentions
from odconv_torch.layers.forms.columns import columns_of, known, plain_conv
from odconv_torch.layers.forms.compact import has_fixed_size
from odconv_torch.layers.forms.grouped import conv_in_groups, grouped
from odconv_torch.layers.forms.portable import factor_of_input, times_channels
from odconv_torch.layers.forms.samples import conv_of_each
from odconv_torch.layers.forms.scaled import (
    aggregate,
    aggregate_scaled,
    scaled,
    scaled_kernels,
    times,
)
from odconv_torch.layers.window import Window

_MOST = 16  # samples that stand one after the other: each is a part of the graph
_LARGE = 4  # times the patches of a map: kernels that take longer to scale and lay out than these
_PASSES = 3  # over a kernel: it is read, written, and laid out


def single(
    x: torch.Tensor, weight: torch.Tensor, attentions: Attentions, window: Window
) -> torch.Tensor:
    channel, filters, spatial, kernel = attentions
    if attentions.one_set_per_kernel(x.dim() - 2):
        kernels = aggregate_scaled(weight, attentions, window.groups).to(x.dtype)
        return _with_their_own(x, kernels, window)
    fixed = has_fixed_size(x)
    if fixed and _has_larger_maps(x, weight, window):
        kernels = scaled_kernels(weight, attentions, window.groups).to(x.dtype)
        return conv_in_groups(x, kernels, window)
    if kernel is None and spatial is None:
        x = x if channel is None else x * channel
        return times(plain_conv(x, weight.flatten(0, 1).to(x.dtype), window), filters)
    if not fixed:
        x = x if channel is None else x * channel
        kernels = aggregate(weight, kernel)
        kernels = kernels if spatial is None else kernels * spatial
        return times(_with_their_own(x, kernels.to(x.dtype), window), filters)
    if window.groups > 1:
        return grouped(x, weight, attentions, window)
    if _has_large_kernels(x, weight, window):
        return _product(x, weight, attentions, window)
    x, kernels, after = scaled(x, weight, attentions, window)
    return times(_with_their_own(x, kernels, window), after)


def _with_their_own(x: torch.Tensor, kernels: torch.Tensor, window: Window) -> torch.Tensor:
    """x (batch, in, *map) with kernels (batch, out, in // groups, *kernel)."""
    (batch,) = known(x.shape[:1])
    if window.groups > 1 or not 1 < batch <= _MOST:
        return conv_in_groups(x, kernels, window)
    x, window = window.symmetric(x)
    return conv_of_each(x, kernels, window)


def _has_larger_maps(x: torch.Tensor, weight: torch.Tensor, window: Window) -> bool:
    """Whether a lone sample's kernel takes less time to scale and lay out than its maps to scale.

    The bias and the activation behind it are then part of the convolution.
    """
    outputs = weight.shape[1] * prod(window.output_size(x.shape, weight.shape[3:]))
    return x.shape[0] == 1 and _PASSES * prod(weight.shape[1:]) < prod(x.shape[1:]) + outputs


def _has_large_kernels(x: torch.Tensor, weight: torch.Tensor, window: Window) -> bool:
    taps = weight.shape[3:]
    positions = prod(window.output_size(x.shape, taps))
    return not window.is_pointwise(taps) and weight.shape[1] >= _LARGE * positions


def _product(
    x: torch.Tensor, weight: torch.Tensor, attentions: Attentions, window: Window
) -> torch.Tensor:
    """The patches of each position, scaled, times the kernels: their rows lie as runtimes read."""
    size = window.output_size(x.shape, weight.shape[3:])
    columns = columns_of(x, weight.shape[3:], window)  # (batch, in * taps, *map)
    columns = times_channels(columns, factor_of_input(attentions, False, x.shape[1]))
    kernels = aggregate(weight, attentions.kernel).to(x.dtype).flatten(2)
    y = columns.flatten(2).transpose(1, 2) @ kernels.transpose(1, 2)  # (batch, positions, out)
    return times(y.transpose(1, 2).unflatten(2, size), attentions.filter)
