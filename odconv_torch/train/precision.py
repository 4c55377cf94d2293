"""In which precision a training computes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import torch

_MIXED: Final[Mapping[str, torch.dtype]] = {
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


def parameter_dtype(precision: str) -> torch.dtype:
    """What the parameters are stored in; mixed precision keeps them in float32.

    Example:
        >>> parameter_dtype("bfloat16")
        torch.float32
    """
    return torch.float64 if precision == "float64" else torch.float32


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """The scope of a forward pass, in half precision if that is asked for."""
    mixed = _MIXED.get(precision)
    return torch.autocast(device.type, mixed, enabled=mixed is not None)
