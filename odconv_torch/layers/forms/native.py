"""The dynamic convolution as one compiled operation, where somebody has asked for it.

It infers, in float32 on a CPU, over one or two axes, and trains depthwise and pointwise layers;
every other call takes the way of "auto".
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from math import prod

import torch
from torch._C import _functorch  # torch has no public way to ask for a transform of torch.func
from torch.autograd import forward_ad

from odconv_torch.layers.attentions import Attentions
from odconv_torch.layers.forms.choice import POINTWISE, Strategy, work_of
from odconv_torch.layers.forms.cost_model import AUTO, FORMS, NATIVE, Costs, cheapest
from odconv_torch.layers.forms.direct import direct_conv
from odconv_torch.layers.forms.native_gradients import MOST_KERNELS, trained
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
    if takes(given) and _suits(x, attentions):
        spatial = attentions.spatial is not None
        if not records(given):
            if _is_cheapest(x.shape, weight.shape, spatial, window, strategy.inference):
                return _run(x, weight, attentions, bias, window)
        elif _trains(x, weight, window, strategy.training):
            y = trained(x, weight, attentions, window)
            return y if bias is None else y + bias.reshape(-1, y.shape[1], 1, 1)
    return direct_conv(x, weight, attentions, bias, window, strategy._replace(name=AUTO))


def takes(given: Collection[torch.Tensor | None]) -> bool:
    """Whether all are what the operations take, in a call that nothing transforms."""
    if records_a_graph() or forward_ad._current_level >= 0 or not is_loaded():
        return False
    for tensor in given:
        if tensor is not None and not (tensor.is_cpu and tensor.dtype is torch.float32):
            return False
    return not torch.is_autocast_enabled("cpu")


def records(given: Collection[torch.Tensor | None]) -> bool:
    """Whether the call is recorded for gradients."""
    return torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in given)


def infers(given: Collection[torch.Tensor | None]) -> bool:
    """Whether nothing is recorded or differentiated, and all are what the operations take."""
    return takes(given) and not records(given)


def _suits(x: torch.Tensor, attentions: Attentions) -> bool:
    batch, rank = x.shape[0], x.dim() - 2
    if batch == 0 or rank > 2 or attentions.one_set_per_kernel(rank):
        return False
    # A caller of the function may give one for all samples.
    return all(factor is None or factor.shape[0] == batch for factor in attentions)


def _trains(x: torch.Tensor, weight: torch.Tensor, window: Window, costs: Costs) -> bool:
    """Whether the gradients are compiled, too, and take less time so."""
    if x.dim() != 4 or len(weight) > MOST_KERNELS:
        return False
    if not (x.is_contiguous() or x.is_contiguous(memory_format=torch.channels_last)):
        return False
    if _functorch.peek_interpreter_stack() is not None:
        return False
    return _trains_faster(x.shape, weight.shape, window, costs)


@lru_cache(maxsize=1 << 12)
def _trains_faster(x: torch.Size, weight: torch.Size, window: Window, costs: Costs) -> bool:
    if any(before != after for before, after in window.padding):
        return False
    if weight[2] == 1 < window.groups:
        return weight[1] == window.groups
    pointwise = window.groups == 1 and window.is_pointwise(weight[3:])
    return pointwise and not _is_static(x, weight, window, costs)


def _is_static(x: torch.Size, weight: torch.Size, window: Window, costs: Costs) -> bool:
    """Whether a pointwise layer is best as one convolution of all samples between scaled maps."""
    work = work_of(x, weight, False, window)
    return x[0] > 1 and cheapest(POINTWISE, work, costs) == "shared"


@lru_cache(maxsize=1 << 12)
def _is_cheapest(
    x: torch.Size, weight: torch.Size, spatial: bool, window: Window, costs: Costs
) -> bool:
    if any(before != after for before, after in window.padding):
        return False
    if weight[2] == 1 < window.groups:
        return weight[1] == window.groups  # a kernel for each channel, read and scaled once
    if window.groups == 1 and window.is_pointwise(weight[3:]):
        if _is_static(x, weight, window, costs):
            return False
        if prod(weight[1:]) <= _SMALL:
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
