"""ResNet, https://arxiv.org/abs/1512.03385, with any kind of convolution in its blocks.

Attribute names are those of the official ODConv code, because they name the stored arrays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import keras
from keras import ops

from odconv_keras.layers import Chain, build_conv, build_layer, build_norm
from odconv_keras.layers.pooling_layers import MaxPool
from odconv_keras.layers.spec_config import spec_to_config
from odconv_keras.models.backbone import Backbone
from odconv_keras.models.graph import Layers, layer_name, under
from odconv_keras.models.sharing import (
    add_shared,
    all_cells,
    block_from_config,
    cells_for,
    taken_by,
    warehouse_layers,
    warehouses_of,
)
from odconv_spec import ConvSpec, NormSpec, ResidualSpec, ResNetSpec

Shape = Sequence[int | None]


class _Residual(keras.layers.Layer):
    """Convolutions conv1, conv2, ..., each with its norm bn1, bn2, ..., and a shortcut.

    The convolutions may share a layer. Keras hands the `training` of a call to the layers inside
    that take it.
    """

    def __init__(self, spec: ResidualSpec, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.spec = spec
        self._shared = add_shared(self, spec.shared)
        self._warehouses = warehouses_of(spec.in_order())
        for number, conv in enumerate(spec.convs, start=1):
            setattr(self, f"conv{number}", _conv(conv, f"conv{number}", self.dtype_policy))
            setattr(self, f"bn{number}", _norm_after(conv, f"bn{number}", self.dtype_policy))
        self._scaling = spec.recalibration.kind if spec.recalibration else ""
        if spec.recalibration:  # under the name that official files have
            options = {"name": self._scaling, "dtype": self.dtype_policy}
            setattr(self, self._scaling, build_layer(spec.recalibration, **options))
        self.downsample: Any = _shortcut(spec, self.dtype_policy)

    def build(self, input_shape: Shape) -> None:
        if self._shared:
            getattr(self, self._shared).build(input_shape)
        shape = input_shape
        for conv, norm in self._pairs():
            shape = _build_pair(conv, norm, shape)
        if self._scaling:
            getattr(self, self._scaling).build(shape)
        if self.downsample is not None:
            self.downsample.build(input_shape)

    def call(self, inputs: Any, cells: Any = (), training: bool | None = None) -> Any:
        shared = (getattr(self, self._shared)(inputs),) if self._shared else ()
        numbers, y = self._warehouses, inputs
        for number, (conv, norm) in enumerate(self._pairs()):
            y = ops.relu(y) if number else y
            y = norm(conv(y, *taken_by(self.spec.convs[number], shared, cells, numbers)))
        y = getattr(self, self._scaling)(y) if self._scaling else y
        projection = self.spec.downsample
        if projection is None:
            return ops.relu(y + inputs)
        beside = taken_by(projection, shared, cells, numbers)
        return ops.relu(y + self.downsample(inputs, *beside))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        shape = input_shape
        for conv, _ in self._pairs():
            shape = conv.compute_output_shape(shape)
        return shape

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"spec": spec_to_config(self.spec)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> _Residual:
        return cls(**config | {"spec": block_from_config(config["spec"])})

    def _pairs(self) -> Iterator[tuple[Any, Any]]:
        """Each convolution with its norm."""
        for number in range(1, len(self.spec.convs) + 1):
            yield getattr(self, f"conv{number}"), getattr(self, f"bn{number}")


@keras.saving.register_keras_serializable(package="odconv")
class BasicBlock(_Residual):
    """Two 3x3 convolutions and a shortcut."""


@keras.saving.register_keras_serializable(package="odconv")
class Bottleneck(_Residual):
    """A 1x1, a 3x3 that carries the stride, a 1x1 that widens, and a shortcut."""


@keras.saving.register_keras_serializable(package="odconv")
class ResNet(Backbone):
    """The network that a `ResNetSpec` describes; see `create_model` for the named ones.

    Takes images (batch, height, width, in_channels) and returns logits (batch, num_classes). The
    arguments are those of `Backbone`.

    Example:
        >>> tuple(ResNet(ResNetSpec(num_classes=10))(keras.ops.ones((1, 32, 32, 3))).shape)
        (1, 10)
    """

    def body_layers(self, spec: ResNetSpec, policy: Any) -> dict[str, keras.layers.Layer]:
        block = BasicBlock if spec.block == "basic" else Bottleneck
        return {
            **warehouse_layers(spec, policy),
            "conv1": _conv(spec.stem, "conv1", policy),
            "bn1": _norm_after(spec.stem, "bn1", policy),
            "relu": keras.layers.ReLU(name="relu", dtype=policy),
            "maxpool": MaxPool(3, strides=2, padding=1, name="maxpool", dtype=policy),
            **{b.name: block(b, name=layer_name(b.name), dtype=policy) for b in spec.blocks()},
        }

    @staticmethod
    def maps(
        spec: ResNetSpec, at: Layers, x: Any, training: bool | None
    ) -> Iterator[tuple[str, Any]]:
        stem, *stages = (info.name for info in spec.feature_info())
        cells = all_cells(at, x)
        beside = {block.name: cells_for(block.in_order(), cells) for block in spec.blocks()}
        x = at["relu"](at["bn1"](at["conv1"](x), training=training))
        yield stem, x
        x = at["maxpool"](x)
        for stage in stages:
            for name, layer in under(stage, at).items():
                x = layer(x, *beside[name], training=training)
            yield stage, x


def _conv(spec: ConvSpec, name: str, dtype: Any) -> keras.layers.Layer:
    return build_conv(spec, name=name, dtype=dtype)


def _norm_after(conv: ConvSpec, name: str, dtype: Any) -> keras.layers.Layer:
    return build_norm(NormSpec(conv.out_channels), name=name, dtype=dtype)


def _shortcut(spec: ResidualSpec, dtype: Any) -> Chain | None:
    if spec.downsample is None:
        return None
    conv = _conv(spec.downsample, "0", dtype)
    return Chain([conv, _norm_after(spec.downsample, "1", dtype)], name="downsample", dtype=dtype)


def _build_pair(conv: keras.layers.Layer, norm: keras.layers.Layer, shape: Shape) -> Shape:
    conv.build(shape)
    shape = conv.compute_output_shape(shape)
    norm.build(shape)
    return shape
