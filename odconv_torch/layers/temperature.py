"""The temperature that divides attention logits: run-time state, not part of a checkpoint."""

from __future__ import annotations

import math

import torch
from torch import nn


class Tempered(nn.Module):
    """A module with a temperature, 1 at the start.

    The temperature is a buffer, so that compiled code sees it change, and not persistent, so that
    official checkpoints load strictly.
    """

    temperature: torch.Tensor

    def __init__(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        one = torch.ones((), device=device, dtype=dtype)
        self.register_buffer("temperature", one, persistent=False)

    def reset_parameters(self) -> None:
        """A temperature of 1; the layers inside start themselves."""
        self.temperature.fill_(1)


def softmax(logits: torch.Tensor) -> torch.Tensor:
    """Softmax over the last axis, in float32 where the logits have less."""
    dtype = torch.promote_types(logits.dtype, torch.float32)
    return torch.softmax(logits, dim=-1, dtype=dtype)


def set_temperature(module: nn.Module, temperature: float) -> None:
    """Sets the temperature of every dynamic convolution inside `module` (or of `module` itself).

    Static convolutions and CondConv have none and are left alone, so this may be called on any
    network.

    Raises:
        ValueError: `temperature` is not a positive finite number.
    """
    if not (temperature > 0 and math.isfinite(temperature)):
        raise ValueError(f"temperature: expected a positive number, received {temperature!r}")
    for child in module.modules():
        if isinstance(child, Tempered):
            child.temperature.fill_(temperature)
