"""A linear layer with dynamic channel fusion."""

from __future__ import annotations

import paddle

from odconv_paddle.layers.build_static import build_linear
from odconv_paddle.layers.channel_fusion import ChannelFusion
from odconv_spec import DCDLinearSpec


@paddle.jit.marker.unified  # to_static records the calls and leaves the source alone
class DCDLinear(ChannelFusion):
    """A linear layer with dynamic channel fusion, https://arxiv.org/abs/2103.08756.

    The classifier of networks with `DCDConv2D`. The output of a linear layer is scaled, and a
    product of low rank is added, whose channels a matrix phi fuses:

        y = scale * (W x + bias) + P t,   t = norm2(phi q) + q,   q = norm1(Q x)

    Shapes: (batch, in_channels) to (batch, out_channels). A batch of one trains, on the running
    statistics of the norms. All layers start at normal(0, 0.01), as in the published MobileNetV2.

    Args:
        in_channels: width of the input.
        out_channels: width of the output.
        bias: whether the linear layer has one.
        dim: width of q.
        squeeze: hidden width of the layers that compute phi and the scale.

    Attributes:
        spec: all options.

    Raises:
        ValueError: an option is out of range, or the input has another shape.

    Example:
        >>> tuple(DCDLinear(64, 10)(paddle.rand([2, 64])).shape)
        (2, 10)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        bias: bool = True,
        *,
        dim: int = 32,
        squeeze: int = 32,
    ) -> None:
        super().__init__()
        self._build(DCDLinearSpec(in_channels, out_channels, bias, dim, squeeze))

    @classmethod
    def from_spec(cls, spec: DCDLinearSpec) -> DCDLinear:
        """The layer that `spec` describes, with random weights.

        Args:
            spec: all options of the layer.

        Returns:
            The layer in training mode.

        Example:
            >>> tuple(DCDLinear.from_spec(DCDLinearSpec(64, 10))(paddle.rand([2, 64])).shape)
            (2, 10)
        """
        return cls(
            spec.in_channels,
            spec.out_channels,
            spec.bias,
            dim=spec.dim,
            squeeze=spec.squeeze,
        )

    def attentions(self, x: paddle.Tensor) -> dict[str, paddle.Tensor]:
        """What the layer computes from an input (batch, in).

        Returns:
            "phi", (batch, dim, dim), and "scale", (batch, out).
        """
        phi, scale = self._phi_and_scale(x)
        return {"phi": phi, "scale": scale}

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Logits of features.

        Args:
            x: (batch, in).

        Returns:
            (batch, out).

        Raises:
            ValueError: `x` has other axes or channels.
        """
        if x.ndim != 2 or x.shape[1] not in (self._width, -1):  # -1 is not yet known
            raise ValueError(
                f"x: expected an input (batch, {self._width}), received the shape {list(x.shape)}"
            )
        phi, scale = self._phi_and_scale(x)
        return self.cls_p(self._fused(phi, self.cls_q(x))) + scale * self.cls(x)

    def _build(self, spec: DCDLinearSpec) -> None:
        self.spec = spec
        self._width = spec.in_channels  # plain, because to_static cannot read a dataclass
        self.cls = build_linear(spec.cls())
        self.cls_q = build_linear(spec.q())
        self.cls_p = build_linear(spec.p())
        self._add_fusion(spec, small=True)
        self._add_norms(spec.dim, (1, 1))
