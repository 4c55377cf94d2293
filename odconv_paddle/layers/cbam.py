"""Convolutional block attention."""

from __future__ import annotations

import paddle
from paddle import nn
from paddle.nn.initializer import Constant

from odconv_paddle.layers.build_static import build_norm, build_static_conv
from odconv_paddle.layers.data_format import data_format_or_default
from odconv_paddle.layers.differentiable import maximum
from odconv_paddle.layers.pooling import global_max, global_mean
from odconv_paddle.layers.recalibration import Recalibration, beside, gate, gate_layers, scaled
from odconv_spec import CBAMSpec


@paddle.jit.marker.unified  # to_static records the calls and leaves the source alone
class CBAM(Recalibration):
    """Convolutional block attention, https://arxiv.org/abs/1807.06521.

    Two small layers see the mean and the maximum over the map and give a factor for each channel;
    a convolution then sees the maximum and the mean over the channels and gives one for each
    position:

        y = x * sigmoid(mlp(mean(x)) + mlp(max(x)))
        z = y * sigmoid(norm(conv([max(y), mean(y)])))

    Keeps the shape of its input. The arrays are those of
    https://github.com/Jongchan/attention-module. The spatial gate starts at a half everywhere.

    Args:
        channels: of the map.
        reduction: channels over the hidden width, which is rounded down, to 1 at least.
        hidden_channels: the hidden width itself.
        mlp_bias: gives the two layers biases, as the published code does and the paper does not.
        spatial: whether there is a factor for each position.
        kernel_size: taps of the convolution along each axis, an odd number.
        rank: number of axes of the map.
        data_format: of `rank` axes, "NCHW" or "NHWC" of two; None has channels second.

    Raises:
        ValueError: an option is out of range, or the input has another rank or other channels.

    Example:
        >>> tuple(CBAM(64)(paddle.rand([2, 64, 8, 9])).shape)
        (2, 64, 8, 9)
    """

    spec_class = CBAMSpec
    spec: CBAMSpec

    def __init__(
        self,
        channels: int,
        reduction: int = 16,
        *,
        hidden_channels: int | None = None,
        mlp_bias: bool = True,
        spatial: bool = True,
        kernel_size: int = 7,
        rank: int = 2,
        data_format: str | None = None,
    ) -> None:
        spec = CBAMSpec(
            channels=channels,
            reduction=reduction,
            hidden_channels=hidden_channels,
            mlp_bias=mlp_bias,
            spatial=spatial,
            kernel_size=kernel_size,
            rank=rank,
        )
        super().__init__(spec, data_format_or_default(data_format, rank))

    def _build(self) -> None:
        spec = self.spec
        self._axes: tuple[int, ...] = (spec.rank + 2,)
        self.ChannelGate = _ChannelGate(spec)
        self.SpatialGate = _SpatialGate(spec) if spec.spatial else None

    def gates(self, x: paddle.Tensor) -> dict[str, paddle.Tensor]:
        found = super().gates(x)
        if self.SpatialGate is not None:
            y = scaled(self._channels_first(x), found["channel"])
            found["spatial"] = self.SpatialGate(y)
        return found

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = self._channels_first(x)
        y = scaled(x, self._channel_gate(x))
        y = y if self.SpatialGate is None else scaled(y, self.SpatialGate(y))
        return self._as_given(y)

    def _channel_gate(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.ChannelGate(x)


@paddle.jit.marker.unified
class _ChannelGate(nn.Layer):
    """(batch, channels, *map) to a factor for each channel, (batch, channels, *ones)."""

    def __init__(self, spec: CBAMSpec) -> None:
        super().__init__()
        layers = gate_layers(spec.squeeze(), spec.excite(), zero_bias=True)
        self.mlp = nn.Sequential(nn.Identity(), *layers)  # the published code flattens first

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        pooled = (pool(x, keepdim=False) for pool in (global_mean, global_max))
        means, maxima = (self.mlp(value) for value in pooled)
        return beside(x, gate(means + maxima))


@paddle.jit.marker.unified
class _SpatialGate(nn.Layer):
    """(batch, channels, *map) to a factor for each position, (batch, 1, *map)."""

    def __init__(self, spec: CBAMSpec) -> None:
        super().__init__()
        norm = build_norm(spec.spatial_norm(), spec.rank)
        Constant(0.0)(norm.weight)  # as published: a half everywhere
        conv = build_static_conv(spec.spatial_conv())
        self.spatial = nn.Sequential(("conv", conv), ("bn", norm))

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        pooled = [maximum(x, 1), x.mean(1, keepdim=True)]
        return gate(self.spatial(paddle.concat(pooled, axis=1)))
