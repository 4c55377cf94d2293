"""Squeeze-and-excitation."""

from __future__ import annotations

import paddle
from paddle import nn

from odconv_paddle.layers.pooling import global_mean
from odconv_paddle.layers.recalibration import Recalibration, beside, gate, gate_layers
from odconv_spec import SqueezeExcitationSpec


@paddle.jit.marker.unified  # to_static records the calls and leaves the source alone
class SqueezeExcitation(Recalibration):
    """Squeeze-and-excitation, https://arxiv.org/abs/1709.01507.

    Two small layers on the mean over the map give a factor for each channel:

        y = x * sigmoid(fc2(relu(fc1(mean(x)))))

    Takes maps of one, two or three axes and keeps their shape. The arrays are those of
    https://github.com/moskomule/senet.pytorch.

    Args:
        channels: of the map.
        reduction: channels over the hidden width, which is rounded down, to 1 at least.
        hidden_channels: the hidden width itself.
        bias: gives both layers one, as the official networks in Caffe have.
        data_format: "NCL", "NCHW" or "NCDHW", or "NLC", "NHWC" or "NDHWC" with channels last; None
            is (batch, channels, *map).

    Raises:
        ValueError: an option is out of range, or the input has other channels.

    Example:
        >>> tuple(SqueezeExcitation(64)(paddle.rand([2, 64, 8, 9])).shape)
        (2, 64, 8, 9)
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
        data_format: str | None = None,
    ) -> None:
        spec = SqueezeExcitationSpec(
            channels=channels, reduction=reduction, hidden_channels=hidden_channels, bias=bias
        )
        super().__init__(spec, data_format)

    def _build(self) -> None:
        self.fc = nn.Sequential(*gate_layers(self.spec.squeeze(), self.spec.excite()))

    def _channel_gate(self, x: paddle.Tensor) -> paddle.Tensor:
        return beside(x, gate(self.fc(global_mean(x, keepdim=False))))
