"""What the backbones have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import keras

from odconv_keras.layers.data_format import (
    data_format_or_default,
    from_channels_last,
    image_shape,
    shape_of_any_size,
    to_channels_last,
)
from odconv_keras.models.feature_maps import maps_by_name, pyramid
from odconv_keras.models.graph import Graph, Layers
from odconv_keras.models.head import head_layers, scores
from odconv_spec import BackboneSpec, FeatureInfo, from_dict
from odconv_spec.feature_maps import OutIndices, feature_indices
from weights_converter.hub.mixin import HubModel


class Backbone(HubModel, Graph):
    """An image classifier: `forward_features`, then `forward_head`, which pools the last map.

    With `num_classes=0` it has no head, and gives features, see `BackboneSpec`.

    With `data_format="channels_first"` the images and the maps have their channels first; in
    between channels are last.

    A subclass makes the layers and says what becomes of images in them; the graph is traced from
    that. The layer at the path "layer1.0" has the name "layer1_0", and attributes lead to it as
    well. One that is set later is not in the graph: see `reset_classifier` and `layers`.

    Args:
        spec: what the network is made of.
        data_format: "channels_last" or "channels_first"; None is the setting of Keras.
        input_shape: of an image, in that format; None is for images of any size.
        preprocessing: a layer that images pass first, such as `ImageNormalization`.
        classifier_activation: what the logits pass, such as "softmax".
        layers: what stands in the place of layers that the spec describes, by path.
        name: of the model; by default that of the spec.
        dtype: a dtype or a dtype policy such as "mixed_bfloat16".
        trainable: False freezes all layers.

    Attributes:
        spec: what the network is made of.
        data_format: "channels_last" or "channels_first".
        preprocessing: the layer that images pass first, or None.
        further_outputs: maps behind those of `pyramid_outputs`, symbolic, by such names.

    Raises:
        ValueError: `input_shape` has other channels than the spec, `layers` has an unknown path, or
            there is an activation without a classifier.
    """

    dropout_path: ClassVar[str] = "dropout"

    def __init__(
        self,
        spec: BackboneSpec,
        *,
        data_format: str | None = None,
        input_shape: Sequence[int | None] | None = None,
        preprocessing: keras.layers.Layer | None = None,
        classifier_activation: str | None = None,
        layers: Layers | None = None,
        name: str | None = None,
        dtype: Any = None,
        trainable: bool = True,
    ) -> None:
        policy = keras.dtype_policies.get(dtype)
        data_format = data_format_or_default(data_format)
        shape = image_shape(input_shape, spec.in_channels, data_format)
        # Not in half precision, which is too short for what is still to be scaled.
        images = keras.Input(shape, dtype=policy.variable_dtype, name="images")
        head = head_layers(spec, self.dropout_path, classifier_activation, policy)
        at = _exchanged(self.body_layers(spec, policy) | head, layers or {})
        x = images if preprocessing is None else preprocessing(images)
        maps = dict(self.maps(spec, at, to_channels_last(x, data_format), None))
        *_, last = maps.values()
        super().__init__(
            images,
            scores([at[path] for path in head], last, None, data_format),
            at,
            pyramid(spec.feature_info(), maps, data_format),
            name=name or spec.name,
            dtype=policy,
            trainable=trainable,
        )
        self.further_outputs = pyramid(spec.further_maps(), maps, data_format)
        self.spec: Any = spec  # of the family
        self.data_format = data_format
        self.preprocessing = preprocessing
        self._head, self._last_map = tuple(head), last

    @property
    def feature_info(self) -> tuple[FeatureInfo, ...]:
        """Name, channels and stride of the maps that `forward_stages` gives.

        Returns:
            The largest map first.
        """
        return self.spec.feature_info()

    @property
    def num_features(self) -> int:
        """Channels of the last map.

        Returns:
            A number of channels.
        """
        return self.spec.num_features

    @property
    def num_classes(self) -> int:
        """Width of the output, 0 without a head.

        Returns:
            A number of classes.
        """
        return self.spec.num_classes

    def forward_stages(
        self, x: Any, out_indices: OutIndices = None, training: bool | None = None
    ) -> list[Any]:
        """The last map of each stride, (batch, height, width, channels), see `feature_info`.

        Args:
            x: images (batch, height, width, in_channels).
            out_indices: a number n for the last n of `feature_info`, or which of them, where
                negative ones count from the end; all by default. Layers behind them are not run.
            training: as in `call`.

        Returns:
            The maps that were asked for, in that order.

        Raises:
            ValueError: no map is asked for, or one that does not exist.
        """
        infos, further = self.feature_info, self.spec.further_maps()
        chosen = feature_indices(infos, out_indices, further=further)
        names = [(*infos, *further)[index].name for index in chosen]
        maps = maps_by_name(self._maps(x, training), names)
        return [from_channels_last(y, self.data_format) for y in maps]

    def forward_features(self, x: Any, training: bool | None = None) -> Any:
        """The last map of images, whose sizes are rounded up.

        Args:
            x: (batch, height, width, in_channels), or as the data format of the network says.
            training: as in `call`.

        Returns:
            (batch, height / 32, width / 32, num_features).
        """
        *_, (_, last) = self._maps(x, training)
        return from_channels_last(last, self.data_format)

    def forward_head(self, features: Any, training: bool | None = None) -> Any:
        """Logits of the last map, or its features.

        Args:
            features: the last map, as `forward_features` gives it.
            training: as in `call`.

        Returns:
            (batch, num_classes), or (batch, num_features) without a head.
        """
        x = to_channels_last(features, self.data_format)
        at = self.by_path()
        return scores([at[path] for path in self._head], x, training, self.data_format)

    def get_classifier(self) -> keras.layers.Layer:
        """The layer that makes logits of the pooled map; without a head an `Identity`.

        Returns:
            The layer itself, not a copy.
        """
        return self.by_path()[self.spec.head_path]

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Puts another head, which starts at random, in the place of the one that is there.

        All other layers stay as they are, those that are frozen as well. The model is to be
        compiled again, as its output is another one.

        Args:
            num_classes: width of the output; 0 gives features.
            global_pool: "avg", "max", or "" for the last map; None leaves it as it is.

        Raises:
            ValueError: `global_pool` is unknown, or "" beside classes.

        Example:
            >>> model = create_model("od_resnet18")
            >>> model.reset_classifier(3)
            >>> model.output_shape, model.spec.num_classes
            ((None, 3), 3)
        """
        pool = self.spec.global_pool if global_pool is None else global_pool
        spec = replace(self.spec, num_classes=num_classes, global_pool=pool)
        activation = self._activation() if num_classes else None
        head = head_layers(spec, self.dropout_path, activation, self.dtype_policy)
        body = {path: x for path, x in self.by_path().items() if path not in self._head}
        for layer in self._flatten_layers(include_self=False, recursive=False):
            self._tracker.untrack(layer)  # Keras' list of them, which no new attribute empties
        super().__init__(
            self.inputs[0],
            scores(list(head.values()), self._last_map, None, self.data_format),
            body | head,
            self.pyramid_outputs,
            name=self.name,
            dtype=self.dtype_policy,
            trainable=self.trainable,
        )
        self.spec, self._head = spec, tuple(head)
        self.forget_class_names()

    def get_config(self) -> dict[str, Any]:
        config = {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            "spec": self.spec.to_dict(),
            "data_format": self.data_format,
        }
        # Left out where they are as ever, so that files are those of earlier versions.
        extra = {
            "input_shape": self._size(),
            "preprocessing": self.preprocessing
            and keras.saving.serialize_keras_object(self.preprocessing),
            "classifier_activation": self._activation(),
        }
        return config | {name: value for name, value in extra.items() if value is not None}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Backbone:
        given = {"spec": from_dict(config["spec"])}
        if "preprocessing" in config:
            layer = keras.saving.deserialize_keras_object(config["preprocessing"], custom_objects)
            given["preprocessing"] = layer
        return cls(**config | given)

    def with_layers(self, layers: Layers) -> Backbone:
        """A new network of the same config, random weights, and these layers at their paths.

        Returns:
            The new network; this one stays what it is.
        """
        config = self.get_config()
        return type(self).from_config({**config, "layers": layers})

    def body_layers(self, spec: Any, policy: Any) -> dict[str, keras.layers.Layer]:
        """The layers before the head, by path, in the order of the network.

        Args:
            spec: of the family.
            policy: the dtype policy of the layers.

        Returns:
            Layers that have the names of their paths, see `layer_name`.
        """
        raise NotImplementedError

    @staticmethod
    def maps(spec: Any, at: Layers, x: Any, training: bool | None) -> Iterator[tuple[str, Any]]:
        """Each map of images x on its way, with its name, all with channels last.

        Args:
            spec: of the family.
            at: the layers of the network by path, in their order.
            x: (batch, height, width, in_channels), symbolic where the graph is traced.
            training: as in `call`.

        Returns:
            Pairs of a name and a map.
        """
        raise NotImplementedError

    def _maps(self, images: Any, training: bool | None) -> Iterator[tuple[str, Any]]:
        x = images if self.preprocessing is None else self.preprocessing(images)
        x = to_channels_last(x, self.data_format)
        return self.maps(self.spec, self.by_path(), x, training)

    def _size(self) -> list[int | None] | None:
        """The shape of an image, None for any size."""
        shape = self.inputs[0].shape[1:]
        any_size = shape_of_any_size(self.spec.in_channels, 2, self.data_format)[1:]
        return None if shape == any_size else list(shape)

    def _activation(self) -> Any:
        layer: Any = self.by_path().get("classifier_activation")
        return None if layer is None else keras.activations.serialize(layer.activation)


def _exchanged(layers: Layers, others: Layers) -> dict[str, keras.layers.Layer]:
    if unknown := sorted(set(others) - set(layers)):
        raise ValueError(f"layers: expected some of {list(layers)}, received {unknown}")
    return {**layers, **others}
