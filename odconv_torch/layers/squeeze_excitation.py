"""Squeeze-and-excitation."""

from __future__ import annotations

import torch
from torch import nn

from odconv_spec import SqueezeExcitationSpec
from odconv_torch.layers.pooling import global_mean
from odconv_torch.layers.recalibration import Device, Recalibration, beside, gate_layers


class SqueezeExcitation(Recalibration):
    """Squeeze-and-excitation, https://arxiv.org/abs/1709.01507.

    Two small layers on the mean over the map give a factor for each channel:

        y = x * sigmoid(fc2(relu(fc1(mean(x)))))

    Shapes: (batch, channels, *map) to the same, with one, two or three axes of the map. The arrays
    are those of https://github.com/moskomule/senet.pytorch.

    Args:
        channels: of the map.
        reduction: channels over the hidden width, which is rounded down, to 1 at least.
        hidden_channels: the hidden width itself.
        bias: gives both layers one, as the official networks in Caffe have.
        device: where the parameters live.
        dtype: of the parameters.

    Raises:
        ValueError: an option is out of range, or the input has other channels.

    Example:
        >>> SqueezeExcitation(64)(torch.rand(2, 64, 8, 9)).shape
        torch.Size([2, 64, 8, 9])
    """

    spec_class = SqueezeExcitationSpec
    spec: SqueezeExcitationSpec

    def __init__(
        self,
        channels: int,
        reduction: int = 16,
        *,
        hidden_channels: int | None = None,
        bias: bool = False,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        spec = SqueezeExcitationSpec(
            channels=channels, reduction=reduction, hidden_channels=hidden_channels, bias=bias
        )
        super().__init__(spec, device, dtype)

    def _build(self, device: Device, dtype: torch.dtype | None) -> None:
        spec = self.spec
        self.fc = nn.Sequential(*gate_layers(spec.squeeze(), spec.excite(), device, dtype))

    def _channel_gate(self, x: torch.Tensor) -> torch.Tensor:
        return beside(x, torch.sigmoid(self.fc(global_mean(x).flatten(1))))
