"""What the backbones have in common."""

from __future__ import annotations

import paddle
from paddle import nn

from odconv_paddle.layers import set_temperature
from odconv_spec import BackboneSpec


class Backbone(nn.Layer):
    """An image classifier: `forward_features`, a mean over the map, `forward_head`.

    Attributes:
        spec: what the network is made of.
        num_features: channels of the last map.
        num_classes: width of the output.
    """

    def __init__(self, spec: BackboneSpec) -> None:
        super().__init__()
        self.spec = spec
        self.num_features = spec.head.in_channels
        self.num_classes = spec.num_classes

    def forward_features(self, x: paddle.Tensor) -> paddle.Tensor:
        """The last map, (batch, num_features, height / 32, width / 32), sizes rounded up."""
        raise NotImplementedError

    def forward_head(self, features: paddle.Tensor) -> paddle.Tensor:
        """Logits (batch, num_classes) of the last map."""
        raise NotImplementedError

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Logits (batch, num_classes) of images (batch, in_channels, height, width)."""
        return self.forward_head(self.forward_features(x))

    def set_temperature(self, temperature: float) -> None:
        """Sets the temperature of all dynamic convolutions; ValueError if it is not positive."""
        set_temperature(self, temperature)
