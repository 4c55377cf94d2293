"""Efficient channel attention."""

from __future__ import annotations

import paddle
from paddle import ParamAttr, nn

from odconv_paddle.layers.pooling import global_mean
from odconv_paddle.layers.recalibration import Recalibration, beside, gate, uniform
from odconv_spec import EfficientChannelAttentionSpec


@paddle.jit.marker.unified  # to_static records the calls and leaves the source alone
class EfficientChannelAttention(Recalibration):
    """Efficient channel attention, https://arxiv.org/abs/1910.03151.

    A convolution along the channels' means gives a factor for each channel:

        y = x * sigmoid(conv1d(mean(x)))

    Takes maps of one, two or three axes and keeps their shape. The array is that of
    https://github.com/BangguWu/ECANet.

    Args:
        channels: of the map; None takes maps of any width, and needs `kernel_size`.
        kernel_size: taps of the convolution, an odd number; None is the paper's rule, 3 for 64
            channels and 7 for 2048. Released checkpoints have other numbers.
        data_format: "NCL", "NCHW" or "NCDHW", or "NLC", "NHWC" or "NDHWC" with channels last; None
            is (batch, channels, *map).

    Raises:
        ValueError: an option is out of range, or the input has other channels.

    Example:
        >>> tuple(EfficientChannelAttention(64)(paddle.rand([2, 64, 8, 9])).shape)
        (2, 64, 8, 9)
    """

    spec_class = EfficientChannelAttentionSpec
    spec: EfficientChannelAttentionSpec

    def __init__(
        self,
        channels: int | None = None,
        kernel_size: int | None = None,
        *,
        data_format: str | None = None,
    ) -> None:
        spec = EfficientChannelAttentionSpec(channels=channels, kernel_size=kernel_size)
        super().__init__(spec, data_format)

    def _build(self) -> None:
        (taps,) = self.spec.conv().kernel
        start = ParamAttr(initializer=uniform(taps))
        self.conv = nn.Conv1D(1, 1, taps, padding=taps // 2, weight_attr=start, bias_attr=False)

    def _channel_gate(self, x: paddle.Tensor) -> paddle.Tensor:
        sequence = global_mean(x, keepdim=False).unsqueeze(1)  # (batch, 1, channels)
        return beside(x, gate(self.conv(sequence).squeeze(1)))
