"""Padding as `torch.nn.Conv2d` knows it: a number of values on each side, and what they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import torch
from torch.nn import functional as F

from odconv_spec.geometry import Pairs, one_of

# `padding_mode` of a convolution -> `mode` of torch.nn.functional.pad
_MODES: Final[Mapping[str, str]] = {
    "zeros": "constant",
    "reflect": "reflect",
    "replicate": "replicate",
    "circular": "circular",
}


def check_padding_mode(mode: object) -> str:
    """`mode` if it is one that torch knows; otherwise raises ValueError."""
    return one_of("padding_mode", mode, tuple(_MODES))


def pad(x: torch.Tensor, padding: Pairs, mode: str = "zeros") -> torch.Tensor:
    """The map (batch, channels, *map) with `padding` (before, after) values on each axis."""
    if not any(side for pair in padding for side in pair):
        return x
    # F.pad takes the last axis first.
    return F.pad(x, [side for pair in reversed(padding) for side in pair], _MODES[mode])


def no_padding(rank: int) -> Pairs:
    return ((0, 0),) * rank
