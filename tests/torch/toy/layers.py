"""The toy convolution for PyTorch."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from odconv_torch.layers import KernelBank, mixed_conv
from odconv_torch.layers.pooling import global_mean
from odconv_torch.layers.temperature import Tempered, softmax
from toy.spec import ToyConvSpec


class ToyGate(Tempered):
    """(batch, in, *map) to the weight of each kernel, (batch, kernel_num)."""

    def __init__(self, spec: ToyConvSpec, device: Any = None, dtype: Any = None) -> None:
        super().__init__(device, dtype)
        self.fc = nn.Linear(spec.in_channels, spec.kernel_num, device=device, dtype=dtype)
        if spec.head_init == "zero":
            nn.init.zeros_(self.fc.weight)
            nn.init.zeros_(self.fc.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return softmax(self._tempered(self.fc(global_mean(x).flatten(1))))


class _ToyConv(KernelBank):
    spec_class = ToyConvSpec

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        kernel_num: int = 4,
        head_init: str = "zero",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        spec = ToyConvSpec(
            in_channels=in_channels,
            out_channels=out_channels,
            kernel_size=kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            bias=bias,
            rank=self.rank,
            kernel_num=kernel_num,
            head_init=head_init,
        )
        super().__init__(spec, padding, padding_mode, device, dtype)

    def _build_attention(self, device: Any, dtype: Any) -> None:
        self.gate = ToyGate(self.spec, device, dtype)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self._convolve(mixed_conv, x, self.gate(x))


class ToyConv1d(_ToyConv):
    rank = 1


class ToyConv2d(_ToyConv):
    rank = 2


class ToyConv3d(_ToyConv):
    rank = 3


LAYERS = (ToyConv1d, ToyConv2d, ToyConv3d)
