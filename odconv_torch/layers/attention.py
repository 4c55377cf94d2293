"""The attention of ODConv: one squeeze of the input, and up to four heads on it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from odconv_spec import NormSpec, ODConvSpec
from odconv_torch.layers.build_static import build_norm, build_static_conv
from odconv_torch.layers.init import kaiming_normal_
from odconv_torch.layers.temperature import Tempered


class Attentions(NamedTuple):
    """The four attentions of each sample; None is the constant one."""

    channel: torch.Tensor | None  # (batch, in, *ones)
    filter: torch.Tensor | None  # (batch, out, *ones)
    spatial: torch.Tensor | None  # (batch, 1, 1, *kernel)
    kernel: torch.Tensor | None  # (batch, kernel_num)


class ODConvAttention(Tempered):
    """Global mean, 1x1 convolution, batch norm, ReLU, then one 1x1 convolution for each attention.

    Channel, filter and spatial attention pass a sigmoid, the kernel attention a softmax; the
    temperature divides the logits of all four, as in the published code.
    """

    channel_fc: nn.Module | None
    filter_fc: nn.Module | None
    spatial_fc: nn.Module | None
    kernel_fc: nn.Module | None

    def __init__(
        self,
        spec: ODConvSpec,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(device)
        self.spec = spec
        self.fc = build_static_conv(spec.trunk(), device, dtype)
        self.bn = build_norm(NormSpec(spec.attention_channels), spec.rank, device, dtype)
        for name in ("channel_fc", "filter_fc", "spatial_fc", "kernel_fc"):
            exists = name in spec.heads()
            head = build_static_conv(spec.head(name), device, dtype) if exists else None
            self.add_module(name, head)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Kaiming normal squeeze; heads of zeros, or Kaiming normal where `head_init` says so."""
        self.temperature.fill_(1)
        kaiming_normal_(self.fc.weight)
        for name in self.spec.heads():
            head = self.get_submodule(name)
            start = kaiming_normal_ if self.spec.head_init == "published" else nn.init.zeros_
            start(head.get_parameter("weight"))
            nn.init.zeros_(head.get_parameter("bias"))

    def forward(self, x: torch.Tensor) -> Attentions:
        pooled = x.mean(dim=tuple(range(2, x.dim())), keepdim=True)  # (batch, in, *ones)
        hidden = torch.relu(self.bn(self.fc(pooled)))  # (batch, hidden, *ones)
        channel = self._logits(self.channel_fc, hidden)
        filters = self._logits(self.filter_fc, hidden)
        spatial = self._logits(self.spatial_fc, hidden)
        kernel = self._logits(self.kernel_fc, hidden)
        return Attentions(
            None if channel is None else torch.sigmoid(channel),
            None if filters is None else torch.sigmoid(filters),
            None
            if spatial is None
            else torch.sigmoid(spatial).reshape(-1, 1, 1, *self.spec.kernel),
            None if kernel is None else torch.softmax(kernel.flatten(1), dim=1),
        )

    def _logits(self, head: nn.Module | None, hidden: torch.Tensor) -> torch.Tensor | None:
        return None if head is None else head(hidden) / self.temperature
