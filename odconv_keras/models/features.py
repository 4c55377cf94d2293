"""A backbone as the body of a detector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from odconv_keras.layers import set_temperature
from odconv_keras.layers.data_format import (
    from_channels_last,
    shape_from_channels_last,
    shape_of_any_size,
    shape_to_channels_last,
    to_channels_last,
)
from odconv_keras.models.backbone import Backbone, maps_by_name
from odconv_spec.feature_maps import OutIndices, feature_indices

Shape = Sequence[int | None]


@keras.saving.register_keras_serializable(package="odconv")
class Features(keras.Model):
    """The maps of a backbone at chosen strides, from the finest to the coarsest.

    Takes images (batch, height, width, in_channels) and returns a list of maps (batch, height /
    stride, width / stride, channels), sizes rounded up; with the data format "channels_first" of
    the backbone, channels come second.

    The layers are those of `backbone`; layers after the last chosen map are left out.

    Args:
        backbone: a network of `create_model`.
        out_indices: as in timm, a number n for the last n maps of `backbone.feature_info`, or which
            of them, where negative numbers count from the end. By default all but the first, those
            of strides 4 to 32. The order does not matter.
        **kwargs: `name` and `trainable`.

    Attributes:
        feature_info: name, channels and stride of each map.
        out_indices: the chosen numbers, from 0.

    Raises:
        ValueError: no map is chosen, or one that does not exist.

    Example:
        >>> body = Features(create_model("od_resnet18"), out_indices=3)
        >>> [info.channels for info in body.feature_info]
        [128, 256, 512]
        >>> [tuple(y.shape) for y in body(keras.ops.ones((1, 64, 96, 3)))]
        [(1, 8, 12, 128), (1, 4, 6, 256), (1, 2, 3, 512)]
    """

    def __init__(self, backbone: Backbone, out_indices: OutIndices = None, **kwargs: Any) -> None:
        kwargs = {"name": f"{backbone.name}_features", "dtype": backbone.dtype_policy} | kwargs
        super().__init__(**kwargs)
        self.out_indices = feature_indices(backbone.feature_info, out_indices, first=1)
        self.feature_info = tuple(backbone.feature_info[index] for index in self.out_indices)
        self.spec = backbone.spec
        self.data_format = backbone.data_format
        if not backbone.built:
            backbone.build(shape_of_any_size(self.spec.in_channels, 2, self.data_format))
        self._backbone = type(backbone)
        self._backbone_config = keras.saving.serialize_keras_object(backbone)
        for name, layer in backbone.body(self.feature_info[-1].name).items():
            setattr(self, name, layer)
        self.built = True  # the layers are those of a network that is built

    def call(self, inputs: Any, training: bool | None = None) -> list[Any]:
        x = to_channels_last(inputs, self.data_format)
        maps = self._backbone.maps(self, x, training)
        found = maps_by_name(maps, [info.name for info in self.feature_info])
        return [from_channels_last(y, self.data_format) for y in found]

    def set_temperature(self, temperature: float) -> None:
        """Sets the temperature of all dynamic convolutions; ValueError if it is not positive."""
        set_temperature(self, temperature)

    def compute_output_shape(self, input_shape: Shape) -> list[tuple[int | None, ...]]:
        batch, *sizes, _ = shape_to_channels_last(input_shape, self.data_format)
        shapes = []
        for info in self.feature_info:
            smaller = [None if size is None else -(-size // info.stride) for size in sizes]
            shape = (batch, *smaller, info.channels)
            shapes.append(shape_from_channels_last(shape, self.data_format))
        return shapes

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "trainable": self.trainable,
            "backbone": self._backbone_config,
            "out_indices": list(self.out_indices),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Features:
        backbone = keras.saving.deserialize_keras_object(config["backbone"])
        return cls(**config | {"backbone": backbone})
