"""The attention of ODConv: one squeeze of the input, and up to four heads on it."""

from __future__ import annotations

from math import prod

import torch
from torch import nn

from odconv_spec import ODConvSpec
from odconv_torch.layers.attentions import Attentions
from odconv_torch.layers.build_static import build_norm, draw_as_convs
from odconv_torch.layers.forms.recording import batch_of
from odconv_torch.layers.pointwise import Pointwise, side_by_side
from odconv_torch.layers.pooling import global_mean
from odconv_torch.layers.temperature import Tempered, softmax

HEADS = ("channel_fc", "filter_fc", "spatial_fc", "kernel_fc")


class ODAttention(Tempered):
    """Global mean, 1x1 convolution, norm, ReLU, then one 1x1 convolution for each attention.

    Channel, filter and spatial attention pass a sigmoid (the spatial one a softmax over the taps
    where the spec says so), the kernel attention a softmax; the temperature divides the logits of
    all four, as in the published code.

    Takes maps (batch, in, *map) and returns `Attentions`.

    Args:
        spec: of the convolution that the attentions are for.
        device: where the parameters live.
        dtype: of the parameters.

    Example:
        >>> spec = ODConvSpec(in_channels=16, out_channels=32, kernel_size=3)
        >>> attentions = ODAttention(spec)(torch.rand(2, 16, 8, 9))
        >>> attentions.filter.shape, attentions.kernel.shape
        (torch.Size([2, 32, 1, 1]), torch.Size([2, 4]))
    """

    bn: nn.Module | None
    ln: nn.Module | None
    channel_fc: Pointwise | None
    filter_fc: Pointwise | None
    spatial_fc: Pointwise | None
    kernel_fc: Pointwise | None

    def __init__(
        self,
        spec: ODConvSpec,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(device, dtype)
        self.spec = spec
        trunk, heads = spec.trunk(), {name: spec.head(name) for name in spec.heads()}
        draw_as_convs((trunk, *heads.values()), device, dtype)
        self.fc = Pointwise(trunk, "published", device, dtype)
        named = spec.trunk_norm()
        norm = build_norm(named[1], spec.rank, device, dtype) if named else None
        self.bn = norm if spec.norm == "batch" else None
        self.ln = norm if spec.norm == "layer" else None
        for name in HEADS:
            head = heads.get(name)
            start = (spec.head_init, device, dtype)
            self.add_module(name, None if head is None else Pointwise(head, *start))
        self._present = tuple(heads)
        self._widths = [head.out_channels for head in heads.values()]
        self._shapes = _shapes(spec)

    def forward(self, x: torch.Tensor) -> Attentions:
        heads = [getattr(self, name) for name in self._present]
        # (batch, their channels)
        logits = self._tempered(side_by_side(heads, self._squeeze(x)))
        attentions: dict[str, torch.Tensor] = {}
        for name, part in zip(self._present, logits.split(self._widths, dim=1), strict=True):
            attentions[name] = self._activated(name, part)
        return Attentions(*map(attentions.get, HEADS))

    def _squeeze(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.fc(global_mean(x))  # (batch, hidden, *ones)
        for norm in (self.bn, self.ln):
            hidden = hidden if norm is None else norm(hidden)
        return torch.relu(hidden)

    def _activated(self, name: str, logits: torch.Tensor) -> torch.Tensor:
        """An attention in the shape of what it scales; those of each kernel get an axis."""
        if name == "kernel_fc":
            return softmax(logits)
        shape = (batch_of(logits), *self._shapes[name])
        if name == "spatial_fc" and self.spec.spatial_activation == "softmax":
            kernel = self.spec.kernel
            taps = logits.reshape(*shape[: -len(kernel)], prod(kernel))
            return softmax(taps).reshape(shape)
        return torch.sigmoid(logits).reshape(shape)


def _shapes(spec: ODConvSpec) -> dict[str, tuple[int, ...]]:
    """Of the attentions of a sample that scale a map or the taps of a kernel."""
    copies = () if spec.attention_sharing else (spec.copies,)
    ones = (1,) * spec.rank
    return {
        "channel_fc": (*copies, spec.in_channels, *ones),
        "filter_fc": (*copies, spec.out_channels, *ones),
        "spatial_fc": (*copies, 1, 1, *spec.kernel),
    }
