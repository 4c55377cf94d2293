"""The dynamic convolution of few operations, for layers whose time is theirs.

Depthwise and pointwise layers of any batch, and others of one sample. A map keeps its layout; that
of channels last suits the products best.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch.nn import functional as F

from odconv_torch.layers.attentions import Attentions
from odconv_torch.layers.forms.choice import Strategy, choose_form
from odconv_torch.layers.forms.cost_model import AUTO
from odconv_torch.layers.forms.products import flat, product_of_maps
from odconv_torch.layers.forms.recording import records_a_graph
from odconv_torch.layers.forms.scaled import scaled, times
from odconv_torch.layers.window import Window

_WIDE, _MANY = 64, 1 << 25  # channels and multiply-adds that a convolution is faster for
_SMALL = 1 << 20  # elements of a kernel that stays in the cache between its mixing and its use


def direct_conv(
    x: torch.Tensor,
    weight: torch.Tensor,
    attentions: Attentions,
    bias: torch.Tensor | None,
    window: Window,
    strategy: Strategy,
) -> torch.Tensor | None:
    """The convolution with its bias, or None where another form suits.

    Args:
        x: (batch, in, *map).
        weight: (kernel_num, out, in // groups, *kernel).
        attentions: of the samples.
        bias: (out,), or (batch, out).
        window: how the kernels move.
        strategy: this is for "auto" alone.

    Returns:
        (batch, out, *map after convolution).
    """
    if strategy.name != AUTO or not _infers(x, weight) or attentions.one_set_per_kernel(2):
        return None
    kind = _kind(weight.shape, window)
    if kind == "depthwise" and (x.shape[0] == 1 or not x.is_contiguous()):
        return _depthwise(x, weight, attentions, bias, window)
    if kind == "pointwise" and (
        (x.shape[0] == 1 and weight[0].numel() <= _SMALL)
        or choose_form(x, weight, attentions, window, strategy) == "patches"
    ):
        return _pointwise(x, weight, attentions, bias)
    form = choose_form(x, weight, attentions, window, strategy) if kind and x.shape[0] == 1 else ""
    if form not in ("grouped", "samples"):  # which are the same for one sample
        return None
    x, kernels, after = scaled(x, weight, attentions, window)
    if after is None:
        return _each(x, kernels, bias, window)
    return _after(_each(x, kernels, None, window), after, bias)


def _infers(x: torch.Tensor, weight: torch.Tensor) -> bool:
    """Whether it is a call without gradients on a CPU, in one precision."""
    if records_a_graph() or not x.is_cpu or x.dim() != 4 or x.shape[0] == 0:
        return False
    if torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad):
        return False
    return x.dtype == weight.dtype and not torch.is_autocast_enabled("cpu")


@lru_cache(maxsize=1 << 12)
def _kind(weight: torch.Size, window: Window) -> str:
    """What the shapes say, "" where padding is uneven."""
    if any(before != after for before, after in window.padding):
        return ""
    if weight[2] == 1 and weight[1] == window.groups:  # one input and one output for each group
        return "depthwise"
    return "pointwise" if window.groups == 1 and window.is_pointwise(weight[3:]) else "dense"


def _depthwise(
    x: torch.Tensor,
    weight: torch.Tensor,
    attentions: Attentions,
    bias: torch.Tensor | None,
    window: Window,
) -> torch.Tensor:
    """Kernels have a few taps, so that they are scaled and never the maps."""
    channel, filters, spatial, kernel = attentions
    kernels = _mixed(weight, kernel, (-1, *weight.shape[1:]))  # (batch or 1, out, 1, *kernel)
    for rows in (channel, filters):  # (batch, out, 1, 1): each output sees one input
        if rows is not None:
            rows = rows.unsqueeze(2)
            spatial = rows if spatial is None else rows * spatial
    return _each(x, kernels if spatial is None else kernels * spatial, bias, window)


def _pointwise(
    x: torch.Tensor, weight: torch.Tensor, attentions: Attentions, bias: torch.Tensor | None
) -> torch.Tensor:
    """A product; of map and kernel the smaller one is scaled."""
    channel, filters, spatial, kernel = attentions
    batch, inputs, height, width = x.shape
    outputs, positions = weight.shape[1], height * width
    kernels = _mixed(weight, kernel, (-1, outputs, inputs))
    if spatial is not None:
        kernels = kernels * spatial.view(batch, 1, 1)
    if channel is not None:
        if positions <= outputs:
            x = x * channel
        else:
            kernels = kernels * channel.view(batch, 1, inputs)
    if filters is None:
        return _product(x, kernels, bias)
    if positions <= inputs:
        return _after(_product(x, kernels, None), filters, bias)
    return _product(x, kernels * filters.view(batch, outputs, 1), bias)


def _product(x: torch.Tensor, kernels: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """Of maps and kernels (batch or 1, out, in), as a convolution where that is faster."""
    _, inputs, height, width = x.shape
    outputs = kernels.shape[1]
    large = inputs >= _WIDE and height * width * inputs * outputs >= _MANY
    if large and x.shape[0] == 1 and x.is_contiguous():
        return F.conv2d(x, kernels.view(outputs, inputs, 1, 1), flat(bias))
    return product_of_maps(x, kernels, bias)


def _mixed(
    weight: torch.Tensor, kernel: torch.Tensor | None, shape: tuple[int, ...]
) -> torch.Tensor:
    """The kernels of the samples in `shape`; that of all, if there is but one."""
    if kernel is None:
        return weight.view(shape)
    return torch.mm(kernel.to(weight.dtype), weight.view(kernel.shape[1], -1)).view(shape)


def _each(
    x: torch.Tensor, kernels: torch.Tensor, bias: torch.Tensor | None, window: Window
) -> torch.Tensor:
    """Each sample with its kernel, (batch or 1, out, in // groups, *kernel)."""
    geometry = (window.stride, window.sides, window.dilation, window.groups)
    if kernels.shape[0] == 1:
        return F.conv2d(x, kernels[0], flat(bias), *geometry)
    biases = [bias] * len(x) if bias is None or bias.dim() == 1 else bias.unbind()
    each = zip(x.split(1), kernels.unbind(), biases, strict=True)
    return torch.cat([F.conv2d(sample, own, offset, *geometry) for sample, own, offset in each])


def _after(y: torch.Tensor, factor: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """y * factor + bias, in one pass."""
    if bias is None:
        return times(y, factor)
    return torch.addcmul(bias.view(-1, y.shape[1], 1, 1), y, factor)
