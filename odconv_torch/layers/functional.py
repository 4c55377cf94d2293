"""The dynamic convolutions as functions of their input, their kernels and their attentions."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from odconv_spec.geometry import Pairs
from odconv_torch.layers.attentions import Attentions
from odconv_torch.layers.forms.choice import Strategy, convolve
from odconv_torch.layers.forms.cost_model import NATIVE
from odconv_torch.layers.forms.direct import direct_conv
from odconv_torch.layers.forms.native import native_conv
from odconv_torch.layers.forms.recording import batch_of
from odconv_torch.layers.window import Window


def od_conv(
    x: torch.Tensor,
    weight: torch.Tensor,
    attentions: Attentions,
    bias: torch.Tensor | None = None,
    stride: Sequence[int] = (1, 1),
    padding: Pairs = ((0, 0), (0, 0)),
    dilation: Sequence[int] = (1, 1),
    groups: int = 1,
    strategy: Strategy = Strategy(),  # noqa: B008 - it cannot change
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
        strategy: which form computes it.

    Returns:
        (batch, out, *map after convolution).

    Example:
        >>> x, weight = torch.rand(2, 6, 8, 9), torch.rand(4, 10, 6, 3, 3)
        >>> attentions = Attentions(kernel=torch.full((2, 4), 0.25))
        >>> od_conv(x, weight, attentions, padding=((1, 1), (1, 1))).shape
        torch.Size([2, 10, 8, 9])
    """
    window = Window(tuple(stride), padding, tuple(dilation), groups)
    return _convolved(x, weight, attentions, bias, window, strategy)


def mixed_conv(
    x: torch.Tensor,
    weight: torch.Tensor,
    mixing: torch.Tensor,
    bias: torch.Tensor | None = None,
    stride: Sequence[int] = (1, 1),
    padding: Pairs = ((0, 0), (0, 0)),
    dilation: Sequence[int] = (1, 1),
    groups: int = 1,
    strategy: Strategy = Strategy(),  # noqa: B008 - it cannot change
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
        strategy: which form computes it.

    Returns:
        (batch, out, *map after convolution).

    Example:
        >>> x, weight = torch.rand(2, 6, 8, 9), torch.rand(4, 10, 6, 3, 3)
        >>> mixed_conv(x, weight, torch.full((2, 4), 0.25)).shape
        torch.Size([2, 10, 6, 7])
    """
    window = Window(tuple(stride), padding, tuple(dilation), groups)
    if bias is not None and bias.dim() == 2:
        bias = mixing.to(bias.dtype) @ bias  # (batch, out)
    return _convolved(x, weight, Attentions(kernel=mixing), bias, window, strategy)


def _convolved(
    x: torch.Tensor,
    weight: torch.Tensor,
    attentions: Attentions,
    bias: torch.Tensor | None,
    window: Window,
    strategy: Strategy,
) -> torch.Tensor:
    """`bias` is (out,) or (batch, out)."""
    form = native_conv if strategy.name == NATIVE else direct_conv
    y = form(x, weight, attentions, bias, window, strategy)
    return _plus(convolve(x, weight, attentions, window, strategy), bias) if y is None else y


def _plus(y: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """`y` and a bias (out,) or (batch, out), in the dtype of `y`."""
    if bias is None:
        return y
    lead = (batch_of(bias),) if bias.dim() == 2 else ()
    return y + bias.to(y.dtype).reshape(*lead, bias.shape[-1], *[1] * (y.dim() - 2))
