"""A convolution and the batch norm behind it, in one place in memory where that is possible."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import nn
from torch.autograd import forward_ad
from torch.nn.modules.conv import _ConvNd

from odconv_torch.layers.dynamic import DynamicConv
from odconv_torch.layers.forms.recording import records_a_graph
from odconv_torch.layers.norm import is_fixed, normed_in_place
from odconv_torch.layers.watching import is_watched

_LARGE = 1 << 18  # elements: new memory for them takes longer than the norm, or more of the cache


def conv_norm(
    conv: nn.Module, norm: nn.Module, x: torch.Tensor, *shared: torch.Tensor
) -> torch.Tensor:
    """The norm of the convolution of a map.

    In inference it overwrites what the convolution gave, if nobody else can have seen that: a large
    array takes longer to get from the system than to fill.

    Args:
        conv: a convolution.
        norm: a norm.
        x: (batch, in, *map).
        *shared: what the convolution takes beside the map.

    Returns:
        (batch, out, *map after convolution).
    """
    y: torch.Tensor = conv(x, *shared)
    if _is_overwritten(conv, norm, y):
        return normed_in_place(norm, y)
    normed: torch.Tensor = norm(y)
    return normed


def _is_overwritten(conv: nn.Module, norm: nn.Module, y: torch.Tensor) -> bool:
    if records_a_graph() or torch.is_grad_enabled() or type(y) is not torch.Tensor:
        return False
    if not y.is_cpu or y.numel() < _LARGE or forward_ad._current_level >= 0:
        return False
    kind = type(conv)
    usual = _gives_what_nobody_keeps(kind)  # type: ignore[arg-type]  # a class can be a key
    if not usual or "forward" in vars(conv) or is_watched(conv):
        return False
    return is_fixed(norm) and bool(y.dtype == norm.running_mean.dtype)


@lru_cache(maxsize=1 << 8)
def _gives_what_nobody_keeps(kind: type[nn.Module]) -> bool:
    """Whether it is a convolution of torch or of this package.

    Code of others may keep its output, and what stands in a convolution's place may give its input.
    """
    ours = kind.forward.__module__.startswith(("torch.nn.", "odconv_torch."))
    return ours and issubclass(kind, (_ConvNd, DynamicConv))
