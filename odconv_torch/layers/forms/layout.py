"""How maps lie in memory: channels first, or last, which is faster for many layers."""

from __future__ import annotations

import torch

_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}  # by the axes of a map


def lies_last(x: torch.Tensor) -> bool:
    """Whether the channels of a map (batch, channels, *map) lie last, and could not lie first."""
    last = _LAST.get(x.dim())
    if last is None or x.is_contiguous():
        return False
    try:
        return x.is_contiguous(memory_format=last)
    except RuntimeError:  # torch.func.vmap cannot say, and has no way to lay a map so
        return False


def laid_last(y: torch.Tensor) -> torch.Tensor:
    """The map with its channels last, copied only if they lie elsewhere."""
    return y.contiguous(memory_format=_LAST[y.dim()])
