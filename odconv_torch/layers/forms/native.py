"""The dynamic convolution as one compiled operation, where somebody has asked for it.

It infers, in float32 on a CPU, over one or two axes; every other call takes the way of "auto".
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from math import prod

import torch
from torch.autograd import forward_ad

from odconv_torch.layers.attentions import Attentions
from odconv_torch.layers.forms.choice import Strategy, work_of
from odconv_torch.layers.forms.cost_model import AUTO, FORMS, NATIVE, Costs, cheapest
from odconv_torch.layers.forms.direct import direct_conv
from odconv_torch.layers.forms.recording import records_a_graph
from odconv_torch.layers.window import Window

_DEPTH = 1024  # elements of the patches that the operation keeps at a time
_PATCHES = 1 << 22  # elements of a sample, 16 MiB: larger maps stay as they are
_SMALL = 1 << 18  # elements of a pointwise kernel that it multiplies with the map as it lies


def is_loaded() -> bool:
    """Whether this process has the operation, `torch.ops.odconv.dynamic_conv`.

    Returns:
        True once `load` has loaded the library.

    Example:
        >>> from odconv_torch import native
        >>> hasattr(torch.ops.odconv, "dynamic_conv") == native.is_loaded()
        True
    """
    return hasattr(torch.ops.odconv, "dynamic_conv")


def native_conv(
    x: torch.Tensor,
    weight: torch.Tensor,
    attentions: Attentions,
    bias: torch.Tensor | None,
    window: Window,
    strategy: Strategy,
) -> torch.Tensor | None:
    """The convolution with its bias, or None where another form suits: see `direct_conv`."""
    given = (x, weight, bias, *attentions)
    if infers(given) and _suits(x, weight, attentions, window, strategy.inference):
        return _run(x, weight, attentions, bias, window)
    return direct_conv(x, weight, attentions, bias, window, strategy._replace(name=AUTO))


def infers(given: Collection[torch.Tensor | None]) -> bool:
    """Whether nothing is recorded or differentiated, and all are what the operations take."""
    if records_a_graph() or forward_ad._current_level >= 0 or not is_loaded():
        return False
    for tensor in given:
        if tensor is not None and not (tensor.is_cpu and tensor.dtype is torch.float32):
            return False
    if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in given):
        return False
    return not torch.is_autocast_enabled("cpu")


def _suits(
    x: torch.Tensor, weight: torch.Tensor, attentions: Attentions, window: Window, costs: Costs
) -> bool:
    batch, rank = x.shape[0], x.dim() - 2
    if batch == 0 or rank > 2 or attentions.one_set_per_kernel(rank):
        return False
    for factor in attentions:
        if factor is not None and factor.shape[0] != batch:
            return False  # one for all samples, of a caller of the function
    return _is_cheapest(x.shape, weight.shape, attentions.spatial is not None, window, costs)


@lru_cache(maxsize=1 << 12)
def _is_cheapest(
    x: torch.Size, weight: torch.Size, spatial: bool, window: Window, costs: Costs
) -> bool:
    if any(before != after for before, after in window.padding):
        return False
    if weight[2] == 1 < window.groups:
        return weight[1] == window.groups  # a kernel for each channel, read and scaled once
    if window.groups == 1 and window.is_pointwise(weight[3:]) and prod(weight[1:]) <= _SMALL:
        return True
    work = work_of(x, weight, spatial, window)
    kept = window.groups * min(work.depth, _DEPTH) * work.outputs // weight[1]
    return kept <= _PATCHES and cheapest((*FORMS, NATIVE), work, costs) == NATIVE


def _run(
    x: torch.Tensor,
    weight: torch.Tensor,
    attentions: Attentions,
    bias: torch.Tensor | None,
    window: Window,
) -> torch.Tensor:
    channel, filters, spatial, kernel = attentions
    stride, _, dilation, groups = window
    sides, run = window.sides, torch.ops.odconv.dynamic_conv.default
    if x.dim() == 3:  # a line is a map of height 1
        x, weight = x.unsqueeze(2), weight.unsqueeze(3)
        channel, filters = (None if a is None else a.unsqueeze(2) for a in (channel, filters))
        spatial = None if spatial is None else spatial.unsqueeze(3)
        stride, sides, dilation = (1, *stride), (0, *sides), (1, *dilation)
        factors = (channel, filters, spatial, kernel, bias)
        of_one = run(x, weight, *factors, stride, sides, dilation, groups)
        return of_one.squeeze(2)
    y: torch.Tensor = run(
        x, weight, channel, filters, spatial, kernel, bias, stride, sides, dilation, groups
    )
    return y
