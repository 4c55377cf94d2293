"""What the backbones have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from odconv_keras.layers import set_temperature
from odconv_keras.layers.data_format import (
    data_format_or_default,
    from_channels_last,
    shape_to_channels_last,
    to_channels_last,
)
from odconv_keras.layers.pooling import global_mean
from odconv_spec import BackboneSpec, from_dict


class Backbone(keras.Model):
    """An image classifier: `forward_features`, a mean over the map, `forward_head`.

    With `data_format="channels_first"` the images and the last map have their channels first; in
    between channels are last.

    Args:
        spec: what the network is made of.
        data_format: "channels_last" or "channels_first"; None is the setting of Keras.
        **kwargs: `name`, `dtype` and `trainable`.

    Attributes:
        num_features: channels of the last map.
        num_classes: width of the output.
    """

    def __init__(
        self, spec: BackboneSpec, *, data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**{"name": spec.name} | kwargs)
        self.spec = spec
        self.data_format = data_format_or_default(data_format)
        self.num_features = spec.head.in_channels
        self.num_classes = spec.num_classes

    def build(self, input_shape: Sequence[int | None]) -> None:
        self._build_layers(shape_to_channels_last(input_shape, self.data_format))

    def forward_features(self, x: Any, training: bool | None = None) -> Any:
        """The last map, (batch, height / 32, width / 32, num_features), sizes rounded up."""
        features = self._features(to_channels_last(x, self.data_format), training)
        return from_channels_last(features, self.data_format)

    def forward_head(self, features: Any, training: bool | None = None) -> Any:
        """Logits (batch, num_classes) of the last map."""
        pooled = global_mean(to_channels_last(features, self.data_format))
        return self._classify(pooled, training)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Logits (batch, num_classes) of images (batch, height, width, in_channels)."""
        return self.forward_head(self.forward_features(inputs, training), training)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return (input_shape[0], self.num_classes)

    def set_temperature(self, temperature: float) -> None:
        """Sets the temperature of all dynamic convolutions; ValueError if it is not positive."""
        set_temperature(self, temperature)

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            "spec": self.spec.to_dict(),
            "data_format": self.data_format,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Backbone:
        return cls(**config | {"spec": from_dict(config["spec"])})

    def _build_layers(self, shape: Sequence[int | None]) -> None:
        """Creates all weights for images of shape (batch, height, width, in_channels)."""
        raise NotImplementedError

    def _features(self, x: Any, training: bool | None) -> Any:
        """The last map of images, both with channels last."""
        raise NotImplementedError

    def _classify(self, pooled: Any, training: bool | None) -> Any:
        """Logits of the mean of the last map, (batch, num_features)."""
        raise NotImplementedError
