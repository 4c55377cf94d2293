"""Convolutional block attention."""

from __future__ import annotations

import torch
from torch import nn

from odconv_spec import CBAMSpec
from odconv_torch.layers.build_static import build_norm, build_static_conv
from odconv_torch.layers.leaf import leaf
from odconv_torch.layers.pooling import global_max, global_mean
from odconv_torch.layers.recalibration import Device, Recalibration, beside, gate_layers


class CBAM(Recalibration):
    """Convolutional block attention, https://arxiv.org/abs/1807.06521.

    Two small layers see the mean and the maximum over the map and give a factor for each channel;
    a convolution then sees the maximum and the mean over the channels and gives one for each
    position:

        y = x * sigmoid(mlp(mean(x)) + mlp(max(x)))
        z = y * sigmoid(norm(conv([max(y), mean(y)])))

    Shapes: (batch, channels, *map) to the same. The arrays are those of
    https://github.com/Jongchan/attention-module. The spatial gate starts at a half everywhere.

    Args:
        channels: of the map.
        reduction: channels over the hidden width, which is rounded down, to 1 at least.
        hidden_channels: the hidden width itself.
        mlp_bias: gives the two layers biases, as the published code does and the paper does not.
        spatial: whether there is a factor for each position.
        kernel_size: taps of the convolution along each axis, an odd number.
        rank: number of axes of the map.
        device: where the parameters live.
        dtype: of the parameters.

    Raises:
        ValueError: an option is out of range, or the input has another rank or other channels.

    Example:
        >>> CBAM(64)(torch.rand(2, 64, 8, 9)).shape
        torch.Size([2, 64, 8, 9])
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
        device: Device = None,
        dtype: torch.dtype | None = None,
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
        super().__init__(spec, device, dtype)

    def _build(self, device: Device, dtype: torch.dtype | None) -> None:
        self.ChannelGate = _ChannelGate(self.spec, device, dtype)
        self.SpatialGate = _SpatialGate(self.spec, device, dtype) if self.spec.spatial else None

    def gates(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        found = super().gates(x)
        if self.SpatialGate is not None:
            found["spatial"] = self.SpatialGate(x * found["channel"])
        return found

    @leaf
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = super().forward(x)
        return y if self.SpatialGate is None else y * self.SpatialGate(y)

    def _channel_gate(self, x: torch.Tensor) -> torch.Tensor:
        return self.ChannelGate(x)

    def _check_input(self, x: torch.Tensor) -> None:
        spec = self.spec
        if x.dim() != spec.rank + 2 or x.shape[1] != spec.channels:
            raise ValueError(
                f"CBAM: expected an input (batch, {spec.channels}, *map) with {spec.rank} axes of "
                f"the map, received {tuple(x.shape)}"
            )


class _ChannelGate(nn.Module):
    """(batch, channels, *map) to a factor for each channel, (batch, channels, *ones)."""

    def __init__(self, spec: CBAMSpec, device: Device, dtype: torch.dtype | None) -> None:
        super().__init__()
        layers = gate_layers(spec.squeeze(), spec.excite(), device, dtype)
        self.mlp = nn.Sequential(nn.Flatten(), *layers)
        for bias in (layers[0].bias, layers[2].bias):
            if bias is not None:
                nn.init.zeros_(bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return beside(x, torch.sigmoid(self.mlp(global_mean(x)) + self.mlp(global_max(x))))


class _SpatialGate(nn.Module):
    """(batch, channels, *map) to a factor for each position, (batch, 1, *map)."""

    def __init__(self, spec: CBAMSpec, device: Device, dtype: torch.dtype | None) -> None:
        super().__init__()
        self.spatial = nn.Sequential()
        self.spatial.add_module("conv", build_static_conv(spec.spatial_conv(), device, dtype))
        norm = build_norm(spec.spatial_norm(), spec.rank, device, dtype)
        nn.init.zeros_(norm.get_parameter("weight"))  # as published: a half everywhere
        self.spatial.add_module("bn", norm)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maximum, mean = x.amax(1, keepdim=True), x.mean(1, keepdim=True)
        return torch.sigmoid(self.spatial(torch.cat([maximum, mean], dim=1)))
