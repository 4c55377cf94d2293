"""MobileNetV2, https://arxiv.org/abs/1801.04381, with any kind of convolution in its blocks.

Attribute names are those of the official ODConv code, because they name the stored arrays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import keras

from odconv_keras.layers import Chain, build_conv, build_layer, build_norm
from odconv_keras.layers.chain import takes_shared
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
from odconv_spec import ConvSpec, InvertedResidualSpec, MobileNetV2Spec, NormSpec

Shape = Sequence[int | None]


@keras.saving.register_keras_serializable(package="odconv")
class InvertedResidual(keras.layers.Layer):
    """Expansion, depthwise convolution, linear projection; a shortcut where shapes allow it.

    The convolutions may share a layer.
    """

    def __init__(self, spec: InvertedResidualSpec, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.spec = spec
        policy = self.dtype_policy
        self._shared = add_shared(self, spec.shared)
        self._warehouses = warehouses_of(spec.in_order())
        layers = [
            _conv_norm_relu6(conv, str(index), policy) for index, conv in enumerate(spec.activated)
        ]
        last = len(layers)
        layers.append(build_conv(spec.project, name=str(last), dtype=policy))
        norm = NormSpec(spec.project.out_channels)
        layers.append(build_norm(norm, name=str(last + 1), dtype=policy))
        if spec.recalibration:
            layers.append(build_layer(spec.recalibration, name=str(last + 2), dtype=policy))
        self.conv = Chain(layers, name="conv", dtype=policy)

    def build(self, input_shape: Shape) -> None:
        if self._shared:
            getattr(self, self._shared).build(input_shape)
        self.conv.build(input_shape)

    def call(self, inputs: Any, cells: Any = (), training: bool | None = None) -> Any:
        shared = (getattr(self, self._shared)(inputs),) if self._shared else ()
        y, convs = inputs, self.spec.in_order()
        for index, layer in enumerate(self.conv.in_order()):  # the norm and more follow the last
            beside: tuple[Any, ...] = ()
            if takes_shared(layer):
                beside = taken_by(convs[index], shared, cells, self._warehouses)
            y = layer(y, *beside)
        return inputs + y if self.spec.residual else y

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return self.conv.compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"spec": spec_to_config(self.spec)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> InvertedResidual:
        return cls(**config | {"spec": block_from_config(config["spec"])})


@keras.saving.register_keras_serializable(package="odconv")
class MobileNetV2(Backbone):
    """The network that a `MobileNetV2Spec` describes; see `create_model` for the named ones.

    Takes images (batch, height, width, in_channels) and returns logits (batch, num_classes). The
    arguments are those of `Backbone`.

    Example:
        >>> model = MobileNetV2(MobileNetV2Spec(num_classes=10))
        >>> tuple(model(keras.ops.ones((1, 32, 32, 3))).shape)
        (1, 10)
    """

    dropout_path = "classifier.0"

    def body_layers(self, spec: MobileNetV2Spec, policy: Any) -> dict[str, keras.layers.Layer]:
        stem, last = spec.stem, spec.last
        return {
            **warehouse_layers(spec, policy),
            stem.name: _conv_norm_relu6(stem.conv, layer_name(stem.name), policy),
            **{
                block.name: InvertedResidual(block, name=layer_name(block.name), dtype=policy)
                for block in spec.blocks()
            },
            last.name: _conv_norm_relu6(last.conv, layer_name(last.name), policy),
        }

    @staticmethod
    def maps(
        spec: MobileNetV2Spec, at: Layers, x: Any, training: bool | None
    ) -> Iterator[tuple[str, Any]]:
        cells = all_cells(at, x)
        numbers = range(len(cells))
        beside = {block.name: cells_for(block.in_order(), cells) for block in spec.blocks()}
        for end in (spec.stem, spec.last):
            beside[end.name] = taken_by(end.conv, (), cells, numbers)
        for path, layer in under("features", at).items():
            x = layer(x, *beside[path], training=training)
            yield path, x


def _conv_norm_relu6(conv: ConvSpec, name: str, dtype: Any) -> Chain:
    layers = [
        build_conv(conv, name="0", dtype=dtype),
        build_norm(NormSpec(conv.out_channels), name="1", dtype=dtype),
        keras.layers.ReLU(6.0, name="2", dtype=dtype),
    ]
    return Chain(layers, name=name, dtype=dtype)
