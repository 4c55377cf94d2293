"""MobileNetV2, https://arxiv.org/abs/1801.04381, with any kind of convolution in its blocks.

Attribute names are those of the official ODConv code, because they name the stored arrays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import keras

from odconv_keras.layers import Chain, build_conv, build_norm
from odconv_keras.layers.spec_config import spec_from_config, spec_to_config
from odconv_keras.models.backbone import Backbone, build_head, build_router
from odconv_spec import ConvSpec, InvertedResidualSpec, MobileNetV2Spec, NormSpec

Shape = Sequence[int | None]


@keras.saving.register_keras_serializable(package="odconv")
class InvertedResidual(keras.layers.Layer):
    """Expansion, depthwise convolution, linear projection; a shortcut where shapes allow it.

    The convolutions may share a router.
    """

    def __init__(self, spec: InvertedResidualSpec, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.spec = spec
        policy = self.dtype_policy
        self.routing = build_router(spec.routing, spec.project, policy)
        layers = [
            _conv_norm_relu6(conv, str(index), policy) for index, conv in enumerate(spec.activated)
        ]
        last = len(layers)
        layers.append(build_conv(spec.project, name=str(last), dtype=policy))
        norm = NormSpec(spec.project.out_channels)
        layers.append(build_norm(norm, name=str(last + 1), dtype=policy))
        self.conv = Chain(layers, name="conv", dtype=policy)

    def build(self, input_shape: Shape) -> None:
        if self.routing is not None:
            self.routing.build(input_shape)
        self.conv.build(input_shape)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        routing = None if self.routing is None else self.routing(inputs)
        y = self.conv(inputs, routing, training=training)
        return inputs + y if self.spec.residual else y

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return self.conv.compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"spec": spec_to_config(self.spec)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> InvertedResidual:
        return cls(**config | {"spec": spec_from_config(config["spec"])})


@keras.saving.register_keras_serializable(package="odconv")
class MobileNetV2(Backbone):
    """The network that a `MobileNetV2Spec` describes; see `create_model` for the named ones.

    Takes images (batch, height, width, in_channels) and returns logits (batch, num_classes).

    Args:
        spec: what the network is made of.
        data_format: "channels_last" or "channels_first"; None is the setting of Keras.
        **kwargs: `name`, `dtype` and `trainable`.

    Example:
        >>> model = MobileNetV2(MobileNetV2Spec(num_classes=10))
        >>> tuple(model(keras.ops.ones((1, 32, 32, 3))).shape)
        (1, 10)
    """

    def __init__(
        self, spec: MobileNetV2Spec, *, data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(spec, data_format=data_format, **kwargs)
        policy = self.dtype_policy
        features = [_conv_norm_relu6(spec.stem.conv, "0", policy)]
        for index, block in enumerate(spec.blocks(), start=1):
            features.append(InvertedResidual(block, name=str(index), dtype=policy))
        features.append(_conv_norm_relu6(spec.last.conv, str(len(features)), policy))
        self.features = Chain(features, name="features", dtype=policy)
        dropout = keras.layers.Dropout(spec.dropout, name="0", dtype=policy)
        head = build_head(spec.head, name="1", dtype=policy)
        self.classifier = Chain([dropout, head], name="classifier", dtype=policy)

    @staticmethod
    def maps(body: Any, x: Any, training: bool | None) -> Iterator[tuple[str, Any]]:
        for index, layer in enumerate(body.features.in_order()):
            x = layer(x, training=training)
            yield f"features.{index}", x

    def body(self, last: str) -> dict[str, keras.layers.Layer]:
        count = int(last.removeprefix("features.")) + 1
        layers = self.features.in_order()[:count]
        features = Chain(layers, name="features", dtype=self.dtype_policy)
        features.build((None, None, None, self.spec.in_channels))
        return {"features": features}

    def _build_layers(self, shape: Shape) -> None:
        self.features.build(shape)
        self.classifier.build(self._pooled_shape())

    def _classify(self, pooled: Any, training: bool | None) -> Any:
        return self.classifier(pooled, training=training)


def _conv_norm_relu6(conv: ConvSpec, name: str, dtype: Any) -> Chain:
    layers = [
        build_conv(conv, name="0", dtype=dtype),
        build_norm(NormSpec(conv.out_channels), name="1", dtype=dtype),
        keras.layers.ReLU(6.0, name="2", dtype=dtype),
    ]
    return Chain(layers, name=name, dtype=dtype)
