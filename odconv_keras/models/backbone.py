"""What the backbones have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import keras
from keras import ops

from odconv_keras.layers import build_conv, build_linear, build_routing, set_temperature
from odconv_keras.layers.data_format import (
    data_format_or_default,
    from_channels_last,
    shape_from_channels_last,
    shape_to_channels_last,
    to_channels_last,
)
from odconv_keras.layers.pooling import global_max, global_mean
from odconv_spec import BackboneSpec, CondConvSpec, ConvSpec, FeatureInfo, LinearSpec, from_dict
from odconv_spec.feature_maps import OutIndices, feature_indices
from weights_converter.hub.mixin import HubModel


class Backbone(HubModel, keras.Model):
    """An image classifier: `forward_features`, then `forward_head`, which pools the last map.

    With `num_classes=0` it has no head, and gives features, see `BackboneSpec`.

    With `data_format="channels_first"` the images and the maps have their channels first; in
    between channels are last.

    Args:
        spec: what the network is made of.
        data_format: "channels_last" or "channels_first"; None is the setting of Keras.
        **kwargs: `name`, `dtype` and `trainable`.

    Attributes:
        feature_info: name, channels and stride of the maps that `forward_stages` gives.
        num_features: channels of the last map.
        num_classes: width of the output, 0 without a head.
    """

    def __init__(
        self, spec: BackboneSpec, *, data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**{"name": spec.name} | kwargs)
        self.spec: Any = spec  # of the family
        self.data_format = data_format_or_default(data_format)
        self.num_features = spec.num_features
        self.num_classes = spec.num_classes

    def build(self, input_shape: Sequence[int | None]) -> None:
        self._build_layers(shape_to_channels_last(input_shape, self.data_format))

    @property
    def feature_info(self) -> tuple[FeatureInfo, ...]:
        return self.spec.feature_info()

    def forward_stages(
        self, x: Any, out_indices: OutIndices = None, training: bool | None = None
    ) -> list[Any]:
        """The last map of each stride, (batch, height, width, channels), see `feature_info`.

        Args:
            x: images (batch, height, width, in_channels).
            out_indices: a number n for the last n of `feature_info`, or which of them, where
                negative ones count from the end; all by default. Layers behind them are not run.
            training: as in `call`.

        Raises:
            ValueError: no map is asked for, or one that does not exist.
        """
        infos = self.feature_info
        names = [infos[index].name for index in feature_indices(infos, out_indices)]
        x = to_channels_last(x, self.data_format)
        maps = maps_by_name(self.maps(self, x, training), names)
        return [from_channels_last(y, self.data_format) for y in maps]

    def forward_features(self, x: Any, training: bool | None = None) -> Any:
        """The last map, (batch, height / 32, width / 32, num_features), sizes rounded up."""
        *_, (_, last) = self.maps(self, to_channels_last(x, self.data_format), training)
        return from_channels_last(last, self.data_format)

    def forward_head(self, features: Any, training: bool | None = None) -> Any:
        """Logits (batch, num_classes) of the last map, or its features."""
        x = to_channels_last(features, self.data_format)
        y = self._classify(self._pool(x), training)
        if self._head_is_conv():
            return ops.reshape(y, (-1, self.num_classes))
        return y if self.spec.global_pool else from_channels_last(y, self.data_format)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Logits (batch, num_classes), or features, of images (batch, *size, in_channels)."""
        return self.forward_head(self.forward_features(inputs, training), training)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        if self.spec.global_pool:
            return (input_shape[0], self.num_classes or self.num_features)
        batch, *sizes, _ = shape_to_channels_last(input_shape, self.data_format)
        stride = self.feature_info[-1].stride
        smaller = [None if size is None else -(-size // stride) for size in sizes]
        shape = (batch, *smaller, self.num_features)
        return shape_from_channels_last(shape, self.data_format)

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

    @staticmethod
    def maps(body: Any, x: Any, training: bool | None) -> Iterator[tuple[str, Any]]:
        """Each map of images x on its way, with its name, all with channels last.

        Args:
            body: what holds the layers as attributes: a backbone, or `Features` of it, which may
                lack those that lead to maps nobody asks for.
            x: (batch, height, width, in_channels).
            training: as in `call`.
        """
        raise NotImplementedError

    def body(self, last: str) -> dict[str, keras.layers.Layer]:
        """The layers, by attribute, that lead to the map of that name."""
        raise NotImplementedError

    def _build_layers(self, shape: Sequence[int | None]) -> None:
        """Creates all weights for images of shape (batch, height, width, in_channels)."""
        raise NotImplementedError

    def _classify(self, pooled: Any, training: bool | None) -> Any:
        """Logits of the pooled map, of `_pooled_shape`, or what was pooled without a head."""
        raise NotImplementedError

    def _pool(self, x: Any) -> Any:
        """A map, (batch, height, width, channels), of `_pooled_shape`, unless it is not to be."""
        if not self.spec.global_pool:
            return x
        pool = global_max if self.spec.global_pool == "max" else global_mean
        return pool(x, self._head_is_conv())

    def _head_is_conv(self) -> bool:
        return isinstance(self.spec.head, ConvSpec)

    def _pooled_shape(self) -> tuple[int | None, ...]:
        """(batch, num_features), with axes of one in between for a convolution."""
        ones = (1, 1) if self._head_is_conv() else ()
        return (None, *ones, self.num_features)


def build_head(spec: LinearSpec | ConvSpec | None, **options: Any) -> keras.layers.Layer:
    """The classifier; that of CondConv is a 1x1 convolution that starts as a linear one does.

    None is a network without one, which hands its features on.
    """
    if spec is None:
        return keras.layers.Identity(**options)
    if isinstance(spec, LinearSpec):
        return build_linear(spec, **options)
    # The fan-out of a classifier is the number of classes: of ten, logits would be huge.
    start = keras.initializers.RandomNormal(stddev=0.01)
    return build_conv(spec, kernel_initializer=start, **options)


def build_router(routing: LinearSpec | None, conv: ConvSpec, policy: Any) -> Any:
    """The router of a block, which starts as its convolutions say; None if it has none."""
    if routing is None or not isinstance(conv, CondConvSpec):
        return None
    return build_routing(routing, conv.head_init, name="routing", dtype=policy.variable_dtype)


def maps_by_name(maps: Iterator[tuple[str, Any]], names: Sequence[str]) -> list[Any]:
    """The maps of those names, in their order; the rest is not computed."""
    found: dict[str, Any] = {}
    while not found.keys() >= set(names):
        name, value = next(maps)
        found |= {name: value} if name in names else {}
    return [found[name] for name in names]
