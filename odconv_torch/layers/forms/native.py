"""The dynamic convolution as one compiled operation, where somebody has asked for it.

It infers, in float32 on a CPU, over one or two axes; every other call takes the way of "auto".
"""

from __future__ import annotations

from functools import lru_cache

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
    if _infers(given) and _suits(x, weight, attentions, window, strategy.inference):
        return _run(x, weight, attentions, bias, window)
    return direct_conv(x, weight, attentions, bias, window, strategy._replace(name=AUTO))


def _infers(given: tuple[torch.Tensor | None, ...]) -> bool:
    """Whether nothing is recorded or differentiated, and all are what the operation takes."""
    if records_a_graph() or forward_ad._current_level >= 0 or not is_loaded():
        return False
    tensors = [tensor for tensor in given if tensor is not None]
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
        return False
    plain = all(tensor.is_cpu and tensor.dtype == torch.float32 for tensor in tensors)
    return plain and not torch.is_autocast_enabled("cpu")


def _suits(
    x: torch.Tensor, weight: torch.Tensor, attentions: Attentions, window: Window, costs: Costs
) -> bool:
    batch, rank = x.shape[0], x.dim() - 2
    if batch == 0 or rank > 2 or attentions.one_set_per_kernel(rank):
        return False
    if any(factor is not None and factor.shape[0] != batch for factor in attentions):
        return False  # one for all samples, of a caller of the function
    return _is_cheapest(x.shape, weight.shape, attentions.spatial is not None, window, costs)


@lru_cache(maxsize=1 << 12)
def _is_cheapest(
    x: torch.Size, weight: torch.Size, spatial: bool, window: Window, costs: Costs
) -> bool:
    depthwise = weight[2] == 1 < window.groups
    if depthwise or any(before != after for before, after in window.padding):
        return False
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
    sides = window.sides
    if x.dim() == 3:  # a line is a map of height 1
        x, weight = x.unsqueeze(2), weight.unsqueeze(3)
        channel, filters = (None if a is None else a.unsqueeze(2) for a in (channel, filters))
        spatial = None if spatial is None else spatial.unsqueeze(3)
        stride, sides, dilation = (1, *stride), (0, *sides), (1, *dilation)
        factors = (channel, filters, spatial, kernel, bias)
        of_one = torch.ops.odconv.dynamic_conv(x, weight, *factors, stride, sides, dilation, groups)
        return of_one.squeeze(2)
    y: torch.Tensor = torch.ops.odconv.dynamic_conv(
        x, weight, channel, filters, spatial, kernel, bias, stride, sides, dilation, groups
    )
    return y
