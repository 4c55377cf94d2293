"""The attention of ODConv: one squeeze of the input, and up to four heads on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import Any

import torch
from torch import nn

from odconv_spec import ODConvSpec
from odconv_torch.layers.attending import Heads, attended, linear_of
from odconv_torch.layers.attentions import Attentions
from odconv_torch.layers.build_static import build_norm, draw_as_convs
from odconv_torch.layers.forms.recording import batch_of, exports_a_graph
from odconv_torch.layers.norm import is_fixed, normed
from odconv_torch.layers.pointwise import Pointwise, product_of_all, side_by_side
from odconv_torch.layers.pooling import global_mean
from odconv_torch.layers.temperature import Tempered, softmax
from odconv_torch.layers.watching import are_plain

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
        self._shapes = shapes_of(spec)
        self._softmax_of_taps = spec.spatial_activation == "softmax" and "spatial_fc" in heads
        self._heads = heads_of(spec, self._present, self._widths)

    def forward(self, x: torch.Tensor) -> Attentions:
        own = self._modules  # a look-up there takes less time than an attribute
        heads: list[Any] = [own[name] for name in self._present]
        plain = self._is_plain(heads)
        found = self._compiled(x, heads) if plain and self.native else None
        if found is not None:
            return found
        if plain:
            logits = product_of_all(heads, self._squeezed(x))
        else:
            logits = side_by_side(heads, self._squeeze(x))
        return self._activated(self._tempered(logits))  # of (batch, their channels)

    def _is_plain(self, heads: Iterable[nn.Module]) -> bool:
        """Whether nobody watches a part, or put another in its place: they need not be called."""
        own: Any = self._modules
        norm = own.get("bn")
        fixed = own.get("ln") is None and (norm is None or is_fixed(norm))
        return fixed and are_plain((own["fc"], *heads), Pointwise) and not exports_a_graph()

    def _compiled(self, x: torch.Tensor, heads: Iterable[Any]) -> Attentions | None:
        """The attentions of plain parts in one operation, or None where it is not for this call."""
        own: Any = self._modules
        squeeze, layers = linear_of(own["fc"]), map(linear_of, heads)
        parts = attended(x, squeeze, own.get("bn"), layers, self._heads, self.temperature)
        return None if parts is None else shaped(parts, self._present, self._shapes)

    def _squeezed(self, x: torch.Tensor) -> torch.Tensor:
        """`_squeeze` of plain parts in few operations, (batch, hidden)."""
        hidden = self.fc.product(global_mean(x).flatten(1))
        hidden = hidden if self.bn is None else normed(self.bn, hidden)
        return torch.relu(hidden)

    def _squeeze(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.fc(global_mean(x))  # (batch, hidden, *ones)
        for norm in (self.bn, self.ln):
            hidden = hidden if norm is None else norm(hidden)
        return torch.relu(hidden)

    def _activated(self, logits: torch.Tensor) -> Attentions:
        """Each in the shape of what it scales; those of each kernel get an axis."""
        found: dict[str, torch.Tensor] = {}
        batch, parts = batch_of(logits), logits.split_with_sizes(self._widths, 1)
        if self._present[-1] == "kernel_fc":
            found["kernel_fc"] = softmax(parts[-1])
        gates = torch.sigmoid(logits).split_with_sizes(self._widths, 1)
        for name, gate in zip(self._present, gates, strict=True):
            if name != "kernel_fc":
                found[name] = gate.reshape(batch, *self._shapes[name])
        if self._softmax_of_taps:
            taps = parts[self._present.index("spatial_fc")]
            taps = softmax(taps.unflatten(1, (-1, prod(self.spec.kernel))))
            found["spatial_fc"] = taps.reshape(batch, *self._shapes["spatial_fc"])
        return Attentions(*map(found.get, HEADS))


def shaped(
    parts: Sequence[torch.Tensor], names: Sequence[str], shapes: Mapping[str, Sequence[int]]
) -> Attentions:
    """The outputs of heads (batch, out), each in the shape of what it scales."""
    found = dict(zip(names, parts, strict=True))
    for name, part in found.items():
        if name in shapes:
            found[name] = part.view(part.shape[0], *shapes[name])
    return Attentions(*map(found.get, HEADS))


def heads_of(spec: ODConvSpec, names: Iterable[str], widths: Iterable[int]) -> Heads:
    """The heads that an attention has, and what their activations are over."""
    counts = {"kernel_fc": spec.kernel_num}
    if spec.spatial_activation == "softmax":
        counts["spatial_fc"] = prod(spec.kernel)
    names = tuple(names)
    return Heads(names, tuple(widths), tuple(counts.get(name, 0) for name in names))


def shapes_of(spec: ODConvSpec) -> dict[str, tuple[int, ...]]:
    """Of the attentions of a sample that scale a map or the taps of a kernel."""
    copies = () if spec.attention_sharing else (spec.copies,)
    ones = (1,) * spec.rank
    return {
        "channel_fc": (*copies, spec.in_channels, *ones),
        "filter_fc": (*copies, spec.out_channels, *ones),
        "spatial_fc": (*copies, 1, 1, *spec.kernel),
    }
