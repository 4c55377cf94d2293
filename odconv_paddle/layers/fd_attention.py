"""The attentions of FDConv: of a kernel's channels, taps and frequencies, and of its elements."""

from __future__ import annotations

from typing import NamedTuple

import paddle
from paddle import ParamAttr, nn
from paddle.nn import functional as F
from paddle.nn.initializer import Constant, Initializer, Normal

from odconv_paddle.layers.build_static import build_norm
from odconv_paddle.layers.pointwise import Pointwise
from odconv_paddle.layers.temperature import at_least_float32
from odconv_spec import ConvSpec, FDConvSpec
from odconv_spec.fd_attention import StarReLUSpec

_NEAR_ZERO = 1e-6
_KAIMING = "filter_fc"  # which the published code means to start near zero, and does not


class Modulation(NamedTuple):
    """What scales the kernel of each sample; of a kernel of one tap there is no spatial factor."""

    channel: paddle.Tensor  # (batch, in, 1, 1)
    filter: paddle.Tensor  # (batch, out, 1, 1)
    spatial: paddle.Tensor | None  # (batch, 1, 1, *kernel)
    kernel: paddle.Tensor  # (batch, param_ratio * kernel_num), of the groups of frequencies


class NearZero(Pointwise):
    """A head whose "published" start is near zero."""

    def _starts(self) -> tuple[Initializer, Initializer]:
        published = self.head_init == "published"
        return Normal(std=_NEAR_ZERO) if published else Constant(0.0), Constant(0.0)


@paddle.jit.marker.unified  # to_static records the calls and leaves the source alone
class StarReLU(nn.Layer):
    """scale * relu(x) ** 2 + bias, https://arxiv.org/abs/2210.13452.

    Example:
        >>> StarReLU()(paddle.to_tensor([-1.0, 3.0])).tolist()
        [0.0, 9.0]
    """

    def __init__(self) -> None:
        super().__init__()
        self.spec = StarReLUSpec()
        one, zero = ParamAttr(initializer=Constant(1.0)), ParamAttr(initializer=Constant(0.0))
        self.scale = self.create_parameter([1], attr=one)
        self.bias = self.create_parameter([1], attr=zero, is_bias=True)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        positive = F.relu(x)
        return self.scale * (positive * positive) + self.bias


@paddle.jit.marker.unified  # to_static records the calls and leaves the source alone
class GlobalModulation(nn.Layer):
    """One squeeze of the input's mean, and a head for each attention, which is around one.

    Takes means (batch, in, 1, 1) and returns a `Modulation`; the weights of the groups of
    frequencies add up to about one.

    Args:
        spec: of the convolution that the attentions are for.

    Example:
        >>> spec = FDConvSpec(in_channels=4, out_channels=8, kernel_size=3, head_init="zero")
        >>> GlobalModulation(spec)(paddle.rand([1, 4, 1, 1])).kernel.tolist()
        [[0.25, 0.25, 0.25, 0.25]]
    """

    def __init__(self, spec: FDConvSpec) -> None:
        super().__init__()
        self.spec = spec
        heads = spec.heads()
        # Plain, because to_static cannot read a dataclass.
        self._heads, self._kernel, self._temperature = tuple(heads), spec.kernel, spec.temperature
        self._groups = spec.kernel_num * spec.param_ratio
        self.fc = Pointwise(spec.trunk())
        self.bn = build_norm(spec.trunk_norm(), spec.rank)
        self.relu = StarReLU()
        for name, head in heads.items():
            kind = Pointwise if name == _KAIMING else NearZero
            self.add_sublayer(name, kind(head, spec.head_init))

    def forward(self, pooled: paddle.Tensor) -> Modulation:
        hidden = self.relu(self.bn(self.fc(pooled)))
        found = {name: self._factors(name, hidden) for name in self._heads}
        spatial = found.get("spatial_fc")
        return Modulation(
            channel=found["channel_fc"],
            filter=found["filter_fc"],
            spatial=None if spatial is None else spatial.reshape([0, 1, 1, *self._kernel]),
            kernel=found["kernel_fc"].reshape([0, -1]) / self._groups,
        )

    def _factors(self, name: str, hidden: paddle.Tensor) -> paddle.Tensor:
        """(batch, width, 1, 1)"""
        logits = at_least_float32(getattr(self, name)(hidden))
        return 2 * F.sigmoid(logits / self._temperature)


class LocalTaps(nn.Layer):
    """The array of a convolution over the channels, (out * taps, 1, neighbours)."""

    def __init__(self, spec: ConvSpec, head_init: str) -> None:
        super().__init__()
        self.spec = spec
        self._neighbours = spec.kernel[0]
        start = Constant(_NEAR_ZERO if head_init == "published" else 0.0)
        self.weight = self.create_parameter(
            list(spec.kernel_shape), attr=ParamAttr(initializer=start)
        )

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """(batch, in) to (batch, out * taps, in)."""
        return F.conv1d(x.unsqueeze(1), self.weight, padding=self._neighbours // 2)


@paddle.jit.marker.unified  # to_static records the calls and leaves the source alone
class LocalModulation(nn.Layer):
    """A logit for each element of a kernel, from the means of neighbouring channels.

    Takes means (batch, in, 1, 1) and returns (batch, out * taps, in).

    Args:
        spec: of the convolution that the attentions are for.

    Example:
        >>> spec = FDConvSpec(in_channels=4, out_channels=8, kernel_size=3)
        >>> tuple(LocalModulation(spec)(paddle.rand([2, 4, 1, 1])).shape)
        (2, 72, 4)
    """

    def __init__(self, spec: FDConvSpec) -> None:
        super().__init__()
        self.conv = LocalTaps(spec.local(), spec.head_init)
        self.norm = build_norm(spec.local_norm(), spec.rank)

    def forward(self, pooled: paddle.Tensor) -> paddle.Tensor:
        return self.conv(self.norm(pooled).squeeze([2, 3]))
