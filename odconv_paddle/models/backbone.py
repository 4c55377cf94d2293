"""What the backbones have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import paddle
from paddle import nn
from paddle.nn.initializer import Normal

from odconv_paddle.layers import Routing, build_conv, build_linear, set_temperature
from odconv_paddle.layers.pooling import global_max, global_mean
from odconv_spec import BackboneSpec, CondConvSpec, ConvSpec, LinearSpec
from odconv_spec.feature_maps import OutIndices, feature_indices
from weights_converter.hub.mixin import HubModel

# One layer on the way from the image to the last map: the attributes that lead to it, and whether
# its output is one of the `feature_info`. Plain, because to_static cannot read a named tuple.
Step: TypeAlias = tuple[tuple[str, ...], bool]


class Backbone(HubModel, nn.Layer):
    """An image classifier: `forward_features`, then `forward_head`, which pools the last map.

    With `num_classes=0` it has no head, and gives features, see `BackboneSpec`.

    Attributes:
        spec: what the network is made of.
        steps: the layers of `forward_features` in the order of their calls.
        feature_info: name, channels and stride of each map of `forward_stages`.
        num_features: channels of the last map.
        num_classes: width of the output, 0 without a head.
    """

    def __init__(self, spec: BackboneSpec, steps: Sequence[Step]) -> None:
        super().__init__()
        self.spec = spec
        self.steps = tuple(steps)
        self.feature_info = spec.feature_info()
        self.num_features = spec.num_features
        self.num_classes = spec.num_classes
        self.global_pool = spec.global_pool
        self._head_is_conv = isinstance(spec.head, ConvSpec)

    def forward_features(self, x: paddle.Tensor) -> paddle.Tensor:
        """The last map, (batch, num_features, height / 32, width / 32), sizes rounded up."""
        for path, _ in self.steps:
            x = sublayer(self, path)(x)
        return x

    def forward_stages(
        self, x: paddle.Tensor, out_indices: OutIndices = None
    ) -> list[paddle.Tensor]:
        """The last map of each stride, as `feature_info` describes them.

        Args:
            x: images (batch, in_channels, height, width).
            out_indices: a number n for the last n of `feature_info`, or which of them, where
                negative ones count from the end; all by default. Layers behind them are not run.

        Raises:
            ValueError: no map is asked for, or one that does not exist.
        """
        indices = feature_indices(self.feature_info, out_indices)
        return stage_maps(self, self.steps, x, indices)

    def forward_head(self, features: paddle.Tensor) -> paddle.Tensor:
        """Logits (batch, num_classes) of the last map, or its features."""
        raise NotImplementedError

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Logits (batch, num_classes), or features, of images (batch, in_channels, *size)."""
        return self.forward_head(self.forward_features(x))

    def set_temperature(self, temperature: float) -> None:
        """Sets the temperature of all dynamic convolutions; ValueError if it is not positive."""
        set_temperature(self, temperature)

    def _pool(self, features: paddle.Tensor) -> paddle.Tensor:
        """The pooled map as the classifier takes it: (batch, num_features, *ones if conv).

        The map itself where it is not to be pooled.
        """
        if not self.global_pool:
            return features
        pool = global_max if self.global_pool == "max" else global_mean
        return pool(features, keepdim=self._head_is_conv)


def build_head(spec: LinearSpec | ConvSpec | None) -> nn.Layer:
    """The classifier; that of CondConv is a 1x1 convolution that starts as a linear one does.

    None is a network without one, which hands its features on.
    """
    if spec is None:
        return nn.Identity()
    if isinstance(spec, LinearSpec):
        return build_linear(spec)
    # The fan-out of a classifier is the number of classes: of ten, logits would be huge.
    return build_conv(spec, Normal(0.0, 0.01))


def build_router(routing: LinearSpec | None, conv: ConvSpec) -> Routing | None:
    """The router that `conv` and the other convolutions of its block share, if they do."""
    if routing is None or not isinstance(conv, CondConvSpec):
        return None
    return Routing(routing.in_channels, routing.out_channels, conv.head_init)


def sublayer(layer: nn.Layer, path: Sequence[str]) -> nn.Layer:
    for name in path:  # not `reduce`, which to_static cannot follow
        layer = getattr(layer, name)
    return layer


def stage_maps(
    layer: nn.Layer, steps: Sequence[Step], x: paddle.Tensor, indices: Sequence[int]
) -> list[paddle.Tensor]:
    """The chosen outputs of those steps that are stages, in the order of `indices`."""
    maps: list[paddle.Tensor] = []
    for path, is_stage in steps:
        if len(maps) > max(indices):
            break
        x = sublayer(layer, path)(x)
        if is_stage:
            maps.append(x)
    return [maps[index] for index in indices]
