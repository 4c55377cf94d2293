"""The attention of ODConv: one squeeze of the input, and up to four heads on it."""

from __future__ import annotations

from math import prod

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd

from odconv_spec import ODConvSpec
from odconv_torch.layers.attentions import Attentions
from odconv_torch.layers.build_static import build_norm, build_pointwise
from odconv_torch.layers.init import kaiming_normal_
from odconv_torch.layers.pooling import global_mean
from odconv_torch.layers.temperature import Tempered, softmax

HEADS = ("channel_fc", "filter_fc", "spatial_fc", "kernel_fc")


class ODConvAttention(Tempered):
    """Global mean, 1x1 convolution, norm, ReLU, then one 1x1 convolution for each attention.

    Channel, filter and spatial attention pass a sigmoid (the spatial one a softmax over the taps
    where the spec says so), the kernel attention a softmax; the temperature divides the logits of
    all four, as in the published code.
    """

    bn: nn.Module | None
    ln: nn.Module | None
    channel_fc: _ConvNd | None
    filter_fc: _ConvNd | None
    spatial_fc: _ConvNd | None
    kernel_fc: _ConvNd | None

    def __init__(
        self,
        spec: ODConvSpec,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(device, dtype)
        self.spec = spec
        self.fc = build_pointwise(spec.trunk(), device, dtype)
        named = spec.trunk_norm()
        norm = build_norm(named[1], spec.rank, device, dtype) if named else None
        self.bn = norm if spec.norm == "batch" else None
        self.ln = norm if spec.norm == "layer" else None
        for name in HEADS:
            exists = name in spec.heads()
            head = build_pointwise(spec.head(name), device, dtype) if exists else None
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
        hidden = self._squeeze(x)
        channel = self._logits(self.channel_fc, hidden)
        filters = self._logits(self.filter_fc, hidden)
        spatial = self._logits(self.spatial_fc, hidden)
        kernel = self._logits(self.kernel_fc, hidden)
        return Attentions(
            None if channel is None else self._per_channel(torch.sigmoid(channel)),
            None if filters is None else self._per_channel(torch.sigmoid(filters)),
            None if spatial is None else self._over_taps(spatial),
            None if kernel is None else softmax(kernel.flatten(1)),
        )

    def _squeeze(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.fc(global_mean(x))  # (batch, hidden, *ones)
        for norm in (self.bn, self.ln):
            hidden = hidden if norm is None else norm(hidden)
        return torch.relu(hidden)

    def _logits(self, head: _ConvNd | None, hidden: torch.Tensor) -> torch.Tensor | None:
        return None if head is None else head(hidden) / self.temperature

    def _per_channel(self, attention: torch.Tensor) -> torch.Tensor:
        """One after the other in memory, the attentions of each kernel get an axis of their own."""
        width = attention.shape[1] // prod(self._copies)
        return attention.reshape(attention.shape[0], *self._copies, width, *attention.shape[2:])

    def _over_taps(self, logits: torch.Tensor) -> torch.Tensor:
        kernel = self.spec.kernel
        taps = logits.reshape(-1, *self._copies, 1, 1, prod(kernel))
        activation = softmax if self.spec.spatial_activation == "softmax" else torch.sigmoid
        return activation(taps).unflatten(-1, kernel)

    @property
    def _copies(self) -> tuple[int, ...]:
        return () if self.spec.attention_sharing else (self.spec.copies,)
