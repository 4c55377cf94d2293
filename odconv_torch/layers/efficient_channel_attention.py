"""Efficient channel attention."""

from __future__ import annotations

import torch
from torch import nn

from odconv_spec import EfficientChannelAttentionSpec
from odconv_torch.layers.pooling import global_mean
from odconv_torch.layers.recalibration import Device, Recalibration, beside


class EfficientChannelAttention(Recalibration):
    """Efficient channel attention, https://arxiv.org/abs/1910.03151.

    A convolution along the channels' means gives a factor for each channel:

        y = x * sigmoid(conv1d(mean(x)))

    Shapes: (batch, channels, *map) to the same, with one, two or three axes of the map. The array
    is that of https://github.com/BangguWu/ECANet.

    Args:
        channels: of the map; None takes maps of any width, and needs `kernel_size`.
        kernel_size: taps of the convolution, an odd number; None is the paper's rule, 3 for 64
            channels and 7 for 2048. Released checkpoints have other numbers.
        device: where the parameters live.
        dtype: of the parameters.

    Raises:
        ValueError: an option is out of range, or the input has other channels.

    Example:
        >>> EfficientChannelAttention(64)(torch.rand(2, 64, 8, 9)).shape
        torch.Size([2, 64, 8, 9])
    """

    spec_class = EfficientChannelAttentionSpec
    spec: EfficientChannelAttentionSpec

    def __init__(
        self,
        channels: int | None = None,
        kernel_size: int | None = None,
        *,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        spec = EfficientChannelAttentionSpec(channels=channels, kernel_size=kernel_size)
        super().__init__(spec, device, dtype)

    def _build(self, device: Device, dtype: torch.dtype | None) -> None:
        (taps,) = self.spec.conv().kernel
        self.conv = nn.Conv1d(  # which starts as published
            1, 1, taps, padding=taps // 2, bias=False, device=device, dtype=dtype
        )

    def _channel_gate(self, x: torch.Tensor) -> torch.Tensor:
        sequence = global_mean(x).flatten(1).unsqueeze(1)  # (batch, 1, channels)
        return beside(x, torch.sigmoid(self.conv(sequence)).squeeze(1))
