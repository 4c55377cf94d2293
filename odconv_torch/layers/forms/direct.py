"""The dynamic convolution of few operations, for layers whose time is theirs.

Depthwise and pointwise layers of any batch, and others of one sample. A map keeps its layout; that
of channels last suits the products best.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from odconv_torch.layers.attentions import Attentions
from odconv_torch.layers.forms.choice import Strategy, choose_form
from odconv_torch.layers.forms.cost_model import AUTO
from odconv_torch.layers.forms.scaled import aggregate, records_a_graph, scaled, times
from odconv_torch.layers.window import Window


def suits(
    x: torch.Tensor,
    weight: torch.Tensor,
    attentions: Attentions,
    window: Window,
    strategy: Strategy,
) -> bool:
    """Whether `direct_conv` is for these arguments: in inference on a CPU, in one precision."""
    if strategy.name != AUTO or records_a_graph() or x.device.type != "cpu":
        return False
    if torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad):
        return False
    if x.dim() != 4 or len(x) == 0 or x.dtype != weight.dtype or torch.is_autocast_enabled("cpu"):
        return False
    if attentions.one_set_per_kernel(2) or any(before != after for before, after in window.padding):
        return False
    if _is_depthwise(weight, window):  # of a batch, one call is as fast in the usual layout
        return len(x) == 1 or not x.is_contiguous()
    form = choose_form(x, weight, attentions, window, strategy)
    if _is_pointwise(weight, window):
        return form == "patches" or len(weight) == 1
    return len(x) == 1 and form in ("grouped", "samples")  # which are the same then


def direct_conv(
    x: torch.Tensor,
    weight: torch.Tensor,
    attentions: Attentions,
    bias: torch.Tensor | None,
    window: Window,
) -> torch.Tensor:
    """The convolution with its bias.

    Args:
        x: (batch, in, *map).
        weight: (kernel_num, out, in // groups, *kernel).
        attentions: those that all kernels share.
        bias: (out,), or (batch, out).
        window: how the kernels move, with even padding.

    Returns:
        (batch, out, *map after convolution).
    """
    if _is_depthwise(weight, window):
        return _depthwise(x, weight, attentions, bias, window)
    if _is_pointwise(weight, window):
        return _pointwise(x, weight, attentions, bias)
    x, kernels, after = scaled(x, weight, attentions, window)
    if after is None:
        return _each(x, kernels, bias, window)
    return _after(_each(x, kernels, None, window), after, bias)


def _is_depthwise(weight: torch.Tensor, window: Window) -> bool:
    """One input and one output for each group."""
    return weight.shape[2] == 1 and weight.shape[1] == window.groups


def _is_pointwise(weight: torch.Tensor, window: Window) -> bool:
    return window.groups == 1 and window.is_pointwise(weight.shape[3:])


def _depthwise(
    x: torch.Tensor,
    weight: torch.Tensor,
    attentions: Attentions,
    bias: torch.Tensor | None,
    window: Window,
) -> torch.Tensor:
    """Kernels have a few taps, so that they are scaled and never the maps."""
    channel, filters, spatial, kernel = attentions
    kernels = aggregate(weight, kernel)  # (batch or 1, out, 1, *kernel)
    for rows in (channel, filters):  # (batch, out, 1, 1): each output sees one input
        if rows is not None:
            spatial = rows.unsqueeze(2) if spatial is None else rows.unsqueeze(2) * spatial
    return _each(x, kernels if spatial is None else kernels * spatial, bias, window)


def _pointwise(
    x: torch.Tensor, weight: torch.Tensor, attentions: Attentions, bias: torch.Tensor | None
) -> torch.Tensor:
    """A product; of map and kernel the smaller one is scaled."""
    channel, filters, spatial, kernel = attentions
    batch, inputs, height, width = x.shape
    outputs, positions = weight.shape[1], height * width
    kernels = aggregate(weight, kernel).flatten(2)  # (batch or 1, out, in)
    if spatial is not None:
        kernels = kernels * spatial.reshape(batch, 1, 1)
    if channel is not None and positions <= outputs:
        x, channel = x * channel, None
    if channel is not None:
        kernels = kernels * channel.reshape(batch, 1, inputs)
    if filters is None:
        return _product(x, kernels, bias)
    if positions <= inputs:
        return _after(_product(x, kernels, None), filters, bias)
    return _product(x, kernels * filters.reshape(batch, outputs, 1), bias)


def _each(
    x: torch.Tensor, kernels: torch.Tensor, bias: torch.Tensor | None, window: Window
) -> torch.Tensor:
    """Each sample with its kernel, (batch or 1, out, in // groups, *kernel)."""
    geometry = (window.stride, window.sides, window.dilation, window.groups)
    if len(kernels) == 1:
        return F.conv2d(x, kernels[0], bias if bias is None else bias.reshape(-1), *geometry)
    biases = [bias] * len(x) if bias is None or bias.dim() == 1 else bias.unbind()
    each = zip(x.split(1), kernels.unbind(), biases, strict=True)
    return torch.cat([F.conv2d(sample, own, offset, *geometry) for sample, own, offset in each])


def _product(x: torch.Tensor, kernels: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """Kernels (batch or 1, out, in) with maps, in the layout of these."""
    batch, inputs, height, width = x.shape
    outputs = kernels.shape[1]
    if x.is_contiguous():
        columns = x.reshape(batch, inputs, -1)
        offset = None if bias is None else bias.unsqueeze(-1)  # (out, 1), or (batch, out, 1)
        y = _plus_bmm(offset, kernels.expand(batch, -1, -1), columns)
        return y.reshape(batch, outputs, height, width)
    rows = x.permute(0, 2, 3, 1).reshape(batch, height * width, inputs)
    if len(kernels) == 1:
        y = F.linear(rows, kernels[0], bias if bias is None else bias.reshape(-1))
    else:
        offset = bias if bias is None or bias.dim() == 1 else bias.unsqueeze(1)
        y = _plus_bmm(offset, rows, kernels.mT)
    return y.reshape(batch, height, width, outputs).permute(0, 3, 1, 2)


def _plus_bmm(offset: torch.Tensor | None, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    if offset is None:
        return torch.bmm(a, b)
    return torch.baddbmm(offset, a, b)


def _after(y: torch.Tensor, factor: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """y * factor + bias, in one pass."""
    if bias is None:
        return times(y, factor)
    return torch.addcmul(bias.reshape(-1, y.shape[1], 1, 1), y, factor)
