"""The attention of DyConv: a softmax over the kernels, from two layers on the input's mean."""

from __future__ import annotations

import torch
from torch import nn

from odconv_spec import DyConvSpec
from odconv_torch.layers.build_static import build_pointwise
from odconv_torch.layers.init import kaiming_normal_
from odconv_torch.layers.pooling import global_mean
from odconv_torch.layers.temperature import Tempered, softmax


class DyConvAttention(Tempered):
    """Global mean, 1x1 convolution, ReLU, 1x1 convolution, softmax over logits / temperature."""

    def __init__(
        self,
        spec: DyConvSpec,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(device, dtype)
        self.spec = spec
        self.fc1 = build_pointwise(spec.fc1(), device, dtype)
        self.fc2 = build_pointwise(spec.fc2(), device, dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Kaiming normal, but a second layer of zeros where `head_init` says so; biases zero."""
        self.temperature.fill_(1)
        kaiming_normal_(self.fc1.weight)
        start = kaiming_normal_ if self.spec.head_init == "published" else nn.init.zeros_
        start(self.fc2.weight)
        for layer in (self.fc1, self.fc2):
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The weight of each kernel for each sample, (batch, kernel_num); a sample's add up to one.

        `x` is (batch, in, *map).
        """
        hidden = torch.relu(self.fc1(global_mean(x)))  # (batch, hidden, *ones)
        return softmax(self.fc2(hidden).flatten(1) / self.temperature)
