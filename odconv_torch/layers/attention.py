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
from odconv_torch.layers.pointwise import side_by_side
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
        self._present = tuple(name for name in HEADS if name in spec.heads())
        for name in HEADS:
            exists = name in self._present
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
        logits = self._logits(self._squeeze(x))
        channel, filters = logits.get("channel_fc"), logits.get("filter_fc")
        spatial, kernel = logits.get("spatial_fc"), logits.get("kernel_fc")
        return Attentions(
            None if channel is None else self._per_channel(torch.sigmoid(channel)),
            None if filters is None else self._per_channel(torch.sigmoid(filters)),
            None if spatial is None else self._over_taps(spatial),
            None if kernel is None else softmax(kernel),
        )

    def _squeeze(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.fc(global_mean(x))  # (batch, hidden, *ones)
        for norm in (self.bn, self.ln):
            hidden = hidden if norm is None else norm(hidden)
        return torch.relu(hidden)

    def _logits(self, hidden: torch.Tensor) -> dict[str, torch.Tensor]:
        """Of each head, (batch, its channels), divided by the temperature."""
        heads = {name: getattr(self, name) for name in self._present}
        logits = side_by_side(tuple(heads.values()), hidden) / self.temperature
        widths = [head.out_channels for head in heads.values()]
        return dict(zip(heads, logits.split(widths, dim=1), strict=True))

    def _per_channel(self, attention: torch.Tensor) -> torch.Tensor:
        """One after the other in memory, the attentions of each kernel get an axis of their own."""
        copies, ones = self._copies, (1,) * self.spec.rank
        width = attention.shape[1] // prod(copies)
        return attention.reshape(attention.shape[0], *copies, width, *ones)

    def _over_taps(self, logits: torch.Tensor) -> torch.Tensor:
        kernel = self.spec.kernel
        taps = logits.reshape(-1, *self._copies, 1, 1, prod(kernel))
        activation = softmax if self.spec.spatial_activation == "softmax" else torch.sigmoid
        return activation(taps).unflatten(-1, kernel)

    @property
    def _copies(self) -> tuple[int, ...]:
        return () if self.spec.attention_sharing else (self.spec.copies,)
