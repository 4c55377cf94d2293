"""The toy backbone for PyTorch."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from odconv_spec import NormSpec
from odconv_torch.layers import build_conv, build_norm
from odconv_torch.models.backbone import Backbone
from odconv_torch.models.head import build_head
from toy.spec import ToyBlockSpec, ToyNetSpec


class ToyBlock(nn.Module):
    def __init__(self, spec: ToyBlockSpec, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.mix = build_conv(spec.conv, device, dtype)
        self.norm = build_norm(NormSpec(spec.conv.out_channels), 2, device, dtype)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.norm(self.mix(x)))


class ToyNet(Backbone):
    def __init__(self, spec: ToyNetSpec, device: Any = None, dtype: Any = None) -> None:
        super().__init__(spec)
        self.stem = build_conv(spec.stem, device, dtype)
        self.stem_norm = build_norm(NormSpec(spec.widths[0]), 2, device, dtype)
        self.blocks = nn.Sequential(*(ToyBlock(block, device, dtype) for block in spec.blocks()))
        self.head = build_head(spec.head, device, dtype)

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        return self.blocks(torch.relu(self.stem_norm(self.stem(x))))

    def forward_head(self, features: torch.Tensor, pre_logits: bool = False) -> torch.Tensor:
        y = self._pool(features)
        return self._flat(y if pre_logits else self.head(y))
