"""What the layers with dynamic channel fusion share: phi and the scale, and what phi does."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from odconv_spec import DCDConvSpec, DCDLinearSpec, LinearSpec, NormSpec
from odconv_torch.layers.build_static import build_linear, build_norm

Device = torch.device | str | None


class DoubleHardSigmoid(nn.Module):
    """A sigmoid of straight lines from 0 to 2, with 1 at 0; of any shape.

    Example:
        >>> DoubleHardSigmoid()(torch.tensor([-4.0, 0.0, 3.0]))
        tensor([0., 1., 2.])
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu6(x + 3) / 3


class SelfExcitation(nn.Module):
    """Scales a vector by factors from 0 to 2 that it computes from it: (batch, in) to the same."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.fc = nn.Sequential(linear, DoubleHardSigmoid())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.fc(x)


class ChannelFusion(nn.Module):
    """A base class; its subclasses have the published names, so these layers are their own."""

    bn1: nn.Module
    bn2: nn.Module

    def _add_fusion(
        self,
        spec: DCDConvSpec | DCDLinearSpec,
        small: bool,
        device: Device,
        dtype: torch.dtype | None,
    ) -> None:
        """Adds the layers that compute phi and the scale.

        They start at normal(0, 0.01) if `small`, else as linear layers of PyTorch do.
        """
        self._dim = spec.dim
        build = build_linear if small else _usual_linear
        layers = (build(linear, device, dtype) for linear in spec.fusion().values())
        first, second, phi, scale = layers
        self.fc = nn.Sequential(first, SelfExcitation(second))
        self.fc_phi, self.fc_scale = phi, scale
        self.hs = DoubleHardSigmoid()

    def _add_norms(
        self, dim: int, ranks: tuple[int, int], device: Device, dtype: torch.dtype | None
    ) -> None:
        """Adds the norms of q and of phi q, each for maps over so many axes."""
        self.bn1, self.bn2 = (build_norm(NormSpec(dim), rank, device, dtype) for rank in ranks)

    def _phi_and_scale(self, pooled: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(batch, dim, dim) and (batch, out), of (batch, pooled)."""
        hidden = self.fc(pooled)
        return self.fc_phi(hidden).unflatten(1, (self._dim, -1)), self.hs(self.fc_scale(hidden))

    def _fused(self, phi: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
        """norm2(phi q) + q with q through its norm: (batch, dim, *positions) to the same."""
        q = self.bn1(q)
        flat = q.flatten(2) if q.dim() > 2 else q.unsqueeze(2)  # (batch, dim, positions)
        return self.bn2(phi @ flat).reshape(q.shape) + q


def _usual_linear(spec: LinearSpec, device: Device, dtype: torch.dtype | None) -> nn.Linear:
    widths = spec.in_channels, spec.out_channels
    return nn.Linear(*widths, bias=spec.bias, device=device, dtype=dtype)
