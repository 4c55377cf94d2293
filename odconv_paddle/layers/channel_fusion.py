"""What the layers with dynamic channel fusion share: phi and the scale, and what phi does."""

from __future__ import annotations

from typing import Any

import paddle
from paddle import ParamAttr, nn
from paddle.nn import functional as F

from odconv_paddle.layers.build_static import build_linear, build_norm
from odconv_paddle.layers.differentiable import flattened
from odconv_paddle.layers.recalibration import uniform
from odconv_spec import DCDConvSpec, DCDLinearSpec, LinearSpec, NormSpec


@paddle.jit.marker.unified  # to_static records the calls and leaves the source alone
class DoubleHardSigmoid(nn.Layer):
    """A sigmoid of straight lines from 0 to 2, with 1 at 0; of any shape.

    Example:
        >>> DoubleHardSigmoid()(paddle.to_tensor([-4.0, 0.0, 3.0])).tolist()
        [0.0, 1.0, 2.0]
    """

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return F.relu6(x + 3) / 3


@paddle.jit.marker.unified
class SelfExcitation(nn.Layer):
    """Scales a vector by factors from 0 to 2 that it computes from it: (batch, in) to the same."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.fc = nn.Sequential(linear, DoubleHardSigmoid())

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return x * self.fc(x)


@paddle.jit.marker.unified
class ChannelFusion(nn.Layer):
    """A base class; its subclasses have the published names, so these layers are their own."""

    bn1: Any
    bn2: Any

    def _add_fusion(self, spec: DCDConvSpec | DCDLinearSpec, small: bool) -> None:
        """Adds the layers that compute phi and the scale.

        They start at normal(0, 0.01) if `small`, else as linear layers of PyTorch do.
        """
        self._dim = spec.dim
        build = build_linear if small else _usual_linear
        first, second, phi, scale = map(build, spec.fusion().values())
        self.fc = nn.Sequential(first, SelfExcitation(second))
        self.fc_phi, self.fc_scale = phi, scale
        self.hs = DoubleHardSigmoid()

    def _add_norms(self, dim: int, ranks: tuple[int, int]) -> None:
        """Adds the norms of q and of phi q, each for maps over so many axes."""
        self.bn1, self.bn2 = (build_norm(NormSpec(dim), rank) for rank in ranks)

    def _phi_and_scale(self, pooled: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        """(batch, dim, dim) and (batch, out), of (batch, pooled)."""
        hidden = self.fc(pooled)
        phi = self.fc_phi(hidden).reshape([-1, self._dim, self._dim])
        return phi, self.hs(self.fc_scale(hidden))

    def _fused(self, phi: paddle.Tensor, q: paddle.Tensor) -> paddle.Tensor:
        """norm2(phi q) + q with q through its norm: (batch, dim, *positions) to the same."""
        q = self.bn1(q)
        flat = flattened(q, 2) if q.ndim > 2 else q.unsqueeze(2)  # (batch, dim, positions)
        # The sizes of a recorded graph may be unknown.
        shape = q.shape if paddle.in_dynamic_mode() else paddle.shape(q)
        return self.bn2(phi.matmul(flat)).reshape(shape) + q


def _usual_linear(spec: LinearSpec) -> nn.Linear:
    start = ParamAttr(initializer=uniform(spec.in_channels))
    return nn.Linear(spec.in_channels, spec.out_channels, start, bias_attr=False)
