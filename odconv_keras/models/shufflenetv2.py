"""ShuffleNetV2, https://arxiv.org/abs/1807.11164, with any kind of convolution in its blocks.

Attribute names are those of the published code, because they name the stored arrays, and so are the
starts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

import keras
from keras import ops

from odconv_keras.layers import Chain, build_conv, build_norm
from odconv_keras.layers.chain import takes_shared
from odconv_keras.layers.pooling_layers import MaxPool
from odconv_keras.layers.spec_config import spec_from_config, spec_to_config
from odconv_keras.models.backbone import Backbone
from odconv_keras.models.graph import Layers, layer_name, under
from odconv_keras.models.sharing import add_shared
from odconv_spec import ConvSpec, DynamicConvSpec, NormSpec, ShuffleNetV2Spec, ShuffleSpec, UnitSpec
from odconv_spec.shufflenetv2 import NORM_SHIFT, start_deviation

Shape = Sequence[int | None]


@keras.saving.register_keras_serializable(package="odconv")
class ShuffleBlock(keras.layers.Layer):
    """A branch of three convolutions, and beside it two others or the half that passes by."""

    def __init__(self, spec: ShuffleSpec, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.spec = spec
        self._shared = add_shared(self, spec.shared)
        for unit_specs in (spec.branch, spec.beside):
            for name, layer in _layers(unit_specs, self.dtype_policy):
                setattr(self, name, layer)

    def build(self, input_shape: Shape) -> None:
        seen = self._seen(input_shape)
        if self._shared:
            getattr(self, self._shared).build(seen)
        for units in (self.spec.branch, self.spec.beside):
            shape = seen
            for conv, norm, _ in self._in_order(units):
                conv.build(shape)
                shape = conv.compute_output_shape(shape)
                norm.build(shape)
        for owner in self._chains():
            owner.built = True  # its layers are

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        kept, seen = (inputs, inputs) if self.spec.beside else _parted(inputs)
        shared = getattr(self, self._shared)(seen) if self._shared else None
        beside = self._run(self.spec.beside, kept, shared)
        return ops.concatenate([beside, self._run(self.spec.branch, seen, shared)], -1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        shape = self._seen(input_shape)
        for conv, *_ in self._in_order(self.spec.branch):
            shape = conv.compute_output_shape(shape)
        passed = self._seen(input_shape)[-1]
        return (*shape[:-1], shape[-1] + passed)  # type: ignore[operator]  # of known channels

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"spec": spec_to_config(self.spec)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> ShuffleBlock:
        return cls(**config | {"spec": spec_from_config(config["spec"])})

    def _seen(self, shape: Shape) -> Shape:
        """The shape of what the branch sees."""
        return (*shape[:-1], self.spec.branch[0].conv.in_channels)

    def _run(self, units: Sequence[UnitSpec], x: Any, shared: Any) -> Any:
        for conv, norm, activated in self._in_order(units):
            x = norm(conv(x, shared) if takes_shared(conv) else conv(x))
            x = ops.relu(x) if activated else x
        return x

    def _in_order(self, units: Sequence[UnitSpec]) -> Iterator[tuple[Any, Any, bool]]:
        """Each convolution with its norm, and whether a ReLU follows."""
        for unit in units:
            yield self._at(unit.path), self._at(unit.norm_path), unit.activated

    def _at(self, path: str) -> Any:
        layer: Any = self
        for name in path.split("."):
            layer = getattr(layer, name)
        return layer

    def _chains(self) -> list[Any]:
        """Sequences of the convolutions and norms, if the names have some."""
        owners = {unit.path.rpartition(".")[0] for unit in (*self.spec.branch, *self.spec.beside)}
        return [getattr(self, owner) for owner in owners if owner]


@keras.saving.register_keras_serializable(package="odconv")
class ShuffleNetV2(Backbone):
    """The network that a `ShuffleNetV2Spec` describes; see `create_model` for the named ones.

    Takes images (batch, height, width, in_channels) and returns logits (batch, num_classes). The
    arguments are those of `Backbone`.

    Example:
        >>> model = ShuffleNetV2(ShuffleNetV2Spec(num_classes=10))
        >>> tuple(model(keras.ops.ones((1, 32, 32, 3))).shape)
        (1, 10)
    """

    def body_layers(self, spec: ShuffleNetV2Spec, policy: Any) -> dict[str, keras.layers.Layer]:
        return {
            "first_conv": _conv_norm_relu(spec.stem, "first_conv", policy, first=True),
            "maxpool": MaxPool(3, strides=2, padding=1, name="maxpool", dtype=policy),
            **{
                block.name: ShuffleBlock(block, name=layer_name(block.name), dtype=policy)
                for block in spec.blocks()
            },
            "conv_last": _conv_norm_relu(spec.last, "conv_last", policy),
        }

    @staticmethod
    def maps(
        spec: ShuffleNetV2Spec, at: Layers, x: Any, training: bool | None
    ) -> Iterator[tuple[str, Any]]:
        x = at["first_conv"](x, training=training)
        yield "first_conv", x
        x = at["maxpool"](x)
        yield "maxpool", x
        for path, layer in {**under("features", at), "conv_last": at["conv_last"]}.items():
            x = layer(x, training=training)
            yield path, x


def _parted(x: Any) -> tuple[Any, Any]:
    """The channels of even places, and those of odd ones: each half has some of both branches."""
    shape = ops.shape(x)
    pairs = ops.reshape(x, (*shape[:-1], x.shape[-1] // 2, 2))
    return pairs[..., 0], pairs[..., 1]


def _layers(specs: Sequence[UnitSpec], policy: Any) -> Iterator[tuple[str, keras.layers.Layer]]:
    """Convolutions and norms by attribute, of which those in a sequence have a dot."""
    for owner, own in groupby(specs, lambda spec: spec.path.rpartition(".")[0]):
        if owner:
            yield owner, Chain(list(_sequence(own, policy)), name=owner, dtype=policy)
            continue
        for spec in own:
            yield spec.path, _conv(spec.conv, spec.path, policy)
            yield spec.norm_path, _norm(spec.conv, spec.norm_path, policy)


def _sequence(specs: Iterable[UnitSpec], policy: Any) -> Iterator[keras.layers.Layer]:
    for spec in specs:
        yield _conv(spec.conv, spec.path.rpartition(".")[2], policy)
        yield _norm(spec.conv, spec.norm_path.rpartition(".")[2], policy)
        if spec.activated:
            yield keras.layers.ReLU(dtype=policy)


def _conv_norm_relu(spec: ConvSpec, name: str, policy: Any, first: bool = False) -> Chain:
    layers = [
        _conv(spec, "0", policy, first),
        _norm(spec, "1", policy),
        keras.layers.ReLU(name="2", dtype=policy),
    ]
    return Chain(layers, name=name, dtype=policy)


def _conv(spec: ConvSpec, name: str, policy: Any, first: bool = False) -> keras.layers.Layer:
    layer = build_conv(spec, name=name, dtype=policy)
    if not isinstance(spec, DynamicConvSpec):  # those have starts of their own
        start = keras.initializers.RandomNormal(stddev=start_deviation(spec, first))
        layer.kernel_initializer = start
    return layer


def _norm(spec: ConvSpec, name: str, policy: Any) -> keras.layers.Layer:
    start = keras.initializers.Constant(NORM_SHIFT)
    return build_norm(NormSpec(spec.out_channels), beta_initializer=start, name=name, dtype=policy)
