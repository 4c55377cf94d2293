"""A backbone as the body of a detector."""

from __future__ import annotations

from typing import Any

import keras

from odconv_keras.models.backbone import Backbone
from odconv_keras.models.graph import Graph, Layers
from odconv_spec.feature_maps import OutIndices, feature_indices


@keras.saving.register_keras_serializable(package="odconv")
class Features(Graph):
    """The maps of a backbone at chosen strides, from the finest to the coarsest.

    Takes images (batch, height, width, in_channels) and returns a list of maps (batch, height /
    stride, width / stride, channels), sizes rounded up; with the data format "channels_first" of
    the backbone, channels come second.

    The layers are those of `backbone`; layers after the last chosen map are left out.

    Args:
        backbone: a network of `create_model`.
        out_indices: as in timm, a number n for the last n maps of `backbone.feature_info`, or which
            of them, where negative numbers count from the end. By default all but the first, those
            of strides 4 to 32. The order does not matter. MobileNetV2 has one more map behind them,
            number 5 in the published networks, which only this number asks for.
        name: of the model in Keras.
        trainable: whether its arrays train.

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

    def __init__(
        self,
        backbone: Backbone,
        out_indices: OutIndices = None,
        *,
        name: str | None = None,
        trainable: bool = True,
    ) -> None:
        infos, further = backbone.feature_info, backbone.spec.further_maps()
        chosen = feature_indices(infos, out_indices, first=1, further=further)
        maps = [*backbone.pyramid_outputs.items(), *backbone.further_outputs.items()]
        outputs = [maps[index][1] for index in chosen]
        layers = backbone.layers_to(outputs)
        super().__init__(
            backbone.inputs[0],
            outputs,
            {path: x for path, x in layers.items() if x is not backbone.preprocessing},
            dict(maps[index] for index in chosen),  # of two with one stride the last
            name=name or f"{backbone.name}_features",
            dtype=backbone.dtype_policy,
            trainable=trainable,
        )
        self.out_indices = chosen
        self.feature_info = tuple((*infos, *further)[index] for index in chosen)
        self.spec = backbone.spec
        self.data_format = backbone.data_format
        self.preprocessing = backbone.preprocessing
        self._stages = list(backbone.pyramid_outputs.values())[: chosen[-1] + 1]
        self._backbone_config = keras.saving.serialize_keras_object(backbone)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> list[Any]:
        maps = super().call(inputs, training, mask)
        return maps if isinstance(maps, list) else [maps]  # Keras hands a single one on as such

    def freeze_stages(self, stage: int | None) -> None:
        """Freezes the layers up to a stage of the backbone, see `Backbone.freeze_stages`.

        Args:
            stage: as of the backbone, whichever maps are chosen: 0 is the stem, 1 leads to stride 4
                in a ResNet. None freezes nothing.

        Raises:
            ValueError: there is no such stage, or it lies behind the last map.
        """
        super().freeze_stages(stage)

    def outputs_of_stages(self) -> list[Any]:
        return list(self._stages)

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "trainable": self.trainable,
            "backbone": self._backbone_config,
            "out_indices": list(self.out_indices),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Features:
        return cls(**config | {"backbone": _backbone(config["backbone"], custom_objects)})

    def with_layers(self, layers: Layers) -> Features:
        """A new body of the same config, random weights, and these layers at their paths.

        Returns:
            The new body; this one stays what it is.
        """
        config = self.get_config()
        backbone = _backbone(config["backbone"], None).with_layers(layers)
        return type(self)(**config | {"backbone": backbone})


def _backbone(config: dict[str, Any], custom_objects: Any) -> Backbone:
    return keras.saving.deserialize_keras_object(config, custom_objects)
