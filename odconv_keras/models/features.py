"""A backbone without its classifier, as the body of a detector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from odconv_keras.layers.data_format import (
    from_channels_last,
    shape_from_channels_last,
    shape_of_any_size,
    shape_to_channels_last,
    to_channels_last,
)
from odconv_keras.models.backbone import Backbone, chosen, maps_by_name

Shape = Sequence[int | None]


@keras.saving.register_keras_serializable(package="odconv")
class Features(keras.Model):
    """The maps of chosen stages of a backbone, whose layers it shares.

    Takes images (batch, height, width, in_channels) and gives a list of maps (batch, height /
    stride, width / stride, channels), sizes rounded up; with the data format "channels_first" of
    the backbone, channels come second. Layers that lead to none of the maps are left out.

    Args:
        backbone: a network of `create_model`.
        out_indices: which of `backbone.feature_info`.
        **kwargs: `name` and `trainable`.

    Attributes:
        feature_info: name, channels and stride of each map.

    Raises:
        ValueError: an index is out of range.

    Example:
        >>> body = Features(create_model("od_resnet18"), out_indices=(2, 3, 4))
        >>> [y.shape for y in body(keras.ops.ones((1, 64, 96, 3)))]
        [(1, 8, 12, 128), (1, 4, 6, 256), (1, 2, 3, 512)]
    """

    def __init__(
        self, backbone: Backbone, out_indices: Sequence[int] = (1, 2, 3, 4), **kwargs: Any
    ) -> None:
        kwargs = {"name": f"{backbone.name}_features", "dtype": backbone.dtype_policy} | kwargs
        super().__init__(**kwargs)
        self.feature_info = chosen(backbone.feature_info, out_indices)
        self.out_indices = tuple(out_indices)
        self.spec = backbone.spec
        self.data_format = backbone.data_format
        if not backbone.built:
            backbone.build(shape_of_any_size(self.spec.in_channels, 2, self.data_format))
        self._backbone = type(backbone)
        self._backbone_config = keras.saving.serialize_keras_object(backbone)
        last = max(self.feature_info, key=lambda info: info.stride)
        for name, layer in backbone.body(last.name).items():
            setattr(self, name, layer)

    def build(self, input_shape: Shape) -> None:
        """Nothing is left to do: the layers are those of a network that is built."""

    def call(self, inputs: Any, training: bool | None = None) -> list[Any]:
        x = to_channels_last(inputs, self.data_format)
        maps = self._backbone.maps(self, x, training)
        found = maps_by_name(maps, [info.name for info in self.feature_info])
        return [from_channels_last(y, self.data_format) for y in found]

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
