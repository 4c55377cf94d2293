"""Efficient channel attention."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from odconv_keras.layers.pooling import global_mean
from odconv_keras.layers.recalibration import Recalibration, beside, gate, uniform
from odconv_keras.layers.static_conv import StaticConv1D
from odconv_spec import EfficientChannelAttentionSpec


@keras.saving.register_keras_serializable(package="odconv")
class EfficientChannelAttention(Recalibration):
    """Efficient channel attention, https://arxiv.org/abs/1910.03151.

    A convolution along the channels' means gives a factor for each channel:

        y = x * sigmoid(conv1d(mean(x)))

    Takes maps of one, two or three axes and keeps their shape. The array is that of
    https://github.com/BangguWu/ECANet.

    Args:
        kernel_size: taps of the convolution, an odd number; None is the paper's rule, 3 for 64
            channels and 7 for 2048. Released checkpoints have other numbers.
        data_format: "channels_last" or "channels_first"; None is the setting of Keras.
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: an option is out of range.

    Example:
        >>> tuple(EfficientChannelAttention()(keras.ops.ones((2, 8, 9, 64))).shape)
        (2, 8, 9, 64)
    """

    spec_class = EfficientChannelAttentionSpec

    def __init__(
        self, kernel_size: int | None = None, *, data_format: str | None = None, **kwargs: Any
    ) -> None:
        spec = EfficientChannelAttentionSpec(kernel_size=kernel_size)
        super().__init__(spec, data_format=data_format, **kwargs)

    def _build_gates(self) -> None:
        (taps,) = self.spec.conv().kernel
        self.conv = StaticConv1D(
            1,
            taps,
            padding=taps // 2,
            use_bias=False,
            kernel_initializer=uniform(),
            data_format="channels_last",
            name="conv",
            dtype=self.dtype_policy,
        )
        self.conv.build((None, self.spec.channels, 1))

    def _channel_gate(self, x: Any) -> Any:
        sequence = ops.expand_dims(global_mean(x), -1)  # (batch, channels, 1)
        return beside(x, gate(ops.squeeze(self.conv(sequence), -1)))
