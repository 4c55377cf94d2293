"""Squeeze-and-excitation."""

from __future__ import annotations

from typing import Any

import keras

from odconv_keras.layers.chain import Chain
from odconv_keras.layers.pooling import global_mean
from odconv_keras.layers.recalibration import Recalibration, beside, gate, gate_layers
from odconv_spec import SqueezeExcitationSpec


@keras.saving.register_keras_serializable(package="odconv")
class SqueezeExcitation(Recalibration):
    """Squeeze-and-excitation, https://arxiv.org/abs/1709.01507.

    Two small layers on the mean over the map give a factor for each channel:

        y = x * sigmoid(fc2(relu(fc1(mean(x)))))

    Takes maps of one, two or three axes and keeps their shape. The arrays are those of
    https://github.com/moskomule/senet.pytorch.

    Args:
        reduction: channels over the hidden width, which is rounded down, to 1 at least.
        hidden_channels: the hidden width itself.
        bias: gives both layers one, as the official networks in Caffe have.
        data_format: "channels_last" or "channels_first"; None is the setting of Keras.
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: an option is out of range, or does not go with the channels of the input.

    Example:
        >>> tuple(SqueezeExcitation()(keras.ops.ones((2, 8, 9, 64))).shape)
        (2, 8, 9, 64)
    """

    spec_class = SqueezeExcitationSpec

    def __init__(
        self,
        reduction: int = 16,
        *,
        hidden_channels: int | None = None,
        bias: bool = False,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        spec = SqueezeExcitationSpec(
            reduction=reduction, hidden_channels=hidden_channels, bias=bias
        )
        super().__init__(spec, data_format=data_format, **kwargs)

    def _build_gates(self) -> None:
        spec, policy = self.spec, self.dtype_policy
        layers = gate_layers(spec.squeeze(), spec.excite(), policy)
        self.fc = Chain(layers, name="fc", dtype=policy)
        self.fc.build((None, spec.channels))

    def _channel_gate(self, x: Any) -> Any:
        return beside(x, gate(self.fc(global_mean(x))))
