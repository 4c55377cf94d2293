"""A linear layer with dynamic channel fusion."""

from __future__ import annotations

import torch

from odconv_spec import DCDLinearSpec
from odconv_torch.layers.build_static import build_linear
from odconv_torch.layers.channel_fusion import ChannelFusion, Device
from odconv_torch.layers.leaf import leaf


class DCDLinear(ChannelFusion):
    """A linear layer with dynamic channel fusion, https://arxiv.org/abs/2103.08756.

    The classifier of networks with `DCDConv2d`. The output of a linear layer is scaled, and a
    product of low rank is added, whose channels a matrix phi fuses:

        y = scale * (W x + bias) + P t,   t = norm2(phi q) + q,   q = norm1(Q x)

    Shapes: (batch, in_channels) to (batch, out_channels). A batch of one trains, on the running
    statistics of the norms. All layers start at normal(0, 0.01), as in the published MobileNetV2.

    Args:
        in_channels: width of the input.
        out_channels: width of the output.
        bias: of the linear layer.
        dim: width of q.
        squeeze: hidden width of the layers that compute phi and the scale.
        device: where the parameters live.
        dtype: of the parameters.

    Attributes:
        spec: all options.

    Raises:
        ValueError: an option is out of range, or the input has another shape.

    Example:
        >>> DCDLinear(64, 10)(torch.rand(2, 64)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        bias: bool = True,
        *,
        dim: int = 32,
        squeeze: int = 32,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self._build(DCDLinearSpec(in_channels, out_channels, bias, dim, squeeze), device, dtype)

    @classmethod
    def from_spec(
        cls, spec: DCDLinearSpec, device: Device = None, dtype: torch.dtype | None = None
    ) -> DCDLinear:
        """The layer that `spec` describes, with random weights.

        Args:
            spec: all options of the layer.
            device: where the parameters live.
            dtype: of the parameters.

        Returns:
            The layer in training mode.

        Example:
            >>> DCDLinear.from_spec(DCDLinearSpec(64, 10))(torch.rand(2, 64)).shape
            torch.Size([2, 10])
        """
        return cls(
            spec.in_channels,
            spec.out_channels,
            spec.bias,
            dim=spec.dim,
            squeeze=spec.squeeze,
            device=device,
            dtype=dtype,
        )

    def attentions(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """What the layer computes from an input (batch, in).

        Returns:
            "phi", (batch, dim, dim), and "scale", (batch, out).
        """
        phi, scale = self._phi_and_scale(x)
        return {"phi": phi, "scale": scale}

    @leaf
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The layer's output.

        Args:
            x: (batch, in).

        Returns:
            (batch, out).

        Raises:
            ValueError: `x` has other axes or channels.
        """
        if x.dim() != 2 or x.shape[1] != self.spec.in_channels:
            raise ValueError(
                f"DCDLinear: expected an input (batch, {self.spec.in_channels}), received "
                f"{tuple(x.shape)}"
            )
        phi, scale = self._phi_and_scale(x)
        return self.cls_p(self._fused(phi, self.cls_q(x))) + scale * self.cls(x)

    def _build(self, spec: DCDLinearSpec, device: Device, dtype: torch.dtype | None) -> None:
        self.spec = spec
        self.cls = build_linear(spec.cls(), device, dtype)
        self.cls_q = build_linear(spec.q(), device, dtype)
        self.cls_p = build_linear(spec.p(), device, dtype)
        self._add_fusion(spec, True, device, dtype)
        self._add_norms(spec.dim, (1, 1), device, dtype)
