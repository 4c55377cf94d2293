"""The router of CondConv: a sigmoid of one linear layer on the input's mean."""

from __future__ import annotations

import torch
from torch import nn

from odconv_torch.layers.pooling import global_mean


class Routing(nn.Linear):
    """Routing weights (batch, kernel_num) of maps (batch, in, *map). It has no temperature.

    A `CondConv2d` has its own, or the convolutions of a block share one: they are then made with
    `router="shared"` and called as `conv(x, routing(block_input))`.

    Args:
        in_channels: channels of the input.
        kernel_num: number of kernels of the convolutions that it steers.
        head_init: "published" starts at Glorot uniform, "zero" with all routing weights at a half.
    """

    def __init__(
        self,
        in_channels: int,
        kernel_num: int,
        head_init: str = "published",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        self.head_init = head_init
        super().__init__(in_channels, kernel_num, device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """Glorot uniform, or zeros where `head_init` says so; a bias of zeros."""
        start = nn.init.xavier_uniform_ if self.head_init == "published" else nn.init.zeros_
        start(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(super().forward(global_mean(input).flatten(1)))
