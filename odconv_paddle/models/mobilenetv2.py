"""MobileNetV2, https://arxiv.org/abs/1801.04381, with any kind of convolution in its blocks.

Attribute names are those of the official ODConv code, because they name the stored arrays.
"""

from __future__ import annotations

import paddle
from paddle import nn

from odconv_paddle.layers import build_conv, build_layer, build_norm
from odconv_paddle.models.backbone import Backbone, Step
from odconv_paddle.models.head import build_head
from odconv_paddle.models.sharing import add_shared, add_warehouses, serve_cells, shared_by
from odconv_spec import ConvSpec, InvertedResidualSpec, MobileNetV2Spec, NormSpec


@paddle.jit.marker.unified  # to_static records the calls and leaves the source alone
class ConvNormReLU6(nn.Sequential):
    """A convolution, which may take what its block shares, a norm and a ReLU6."""

    def __init__(self, conv: ConvSpec) -> None:
        norm = build_norm(NormSpec(conv.out_channels), conv.rank)
        super().__init__(build_conv(conv), norm, nn.ReLU6())

    def forward(self, x: paddle.Tensor, *shared: paddle.Tensor) -> paddle.Tensor:
        conv, norm, relu6 = self
        return relu6(norm(conv(x, *shared)))


@paddle.jit.marker.unified  # to_static records the calls and leaves the source alone
class InvertedResidual(nn.Layer):
    """Expansion, depthwise convolution, linear projection; a shortcut where shapes allow it."""

    def __init__(self, spec: InvertedResidualSpec) -> None:
        super().__init__()
        self.residual = spec.residual
        self._shared = add_shared(self, spec.shared)
        scaling = spec.recalibration
        self._activated = len(spec.activated)
        self.conv = nn.Sequential(
            *map(ConvNormReLU6, spec.activated),
            build_conv(spec.project),
            build_norm(NormSpec(spec.project.out_channels)),
            *([build_layer(scaling)] if scaling else []),
        )

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        shared = shared_by(self, self._shared, x)
        layers = list(self.conv)
        y = x
        for conv in layers[: self._activated + 1]:  # the last of them is the projection
            y = conv(y, *shared)
        for layer in layers[self._activated + 1 :]:
            y = layer(y)
        return x + y if self.residual else y


class MobileNetV2(Backbone):
    """The network that a `MobileNetV2Spec` describes; see `create_model` for the named ones.

    Takes images (batch, in_channels, height, width) and returns logits (batch, num_classes).

    Args:
        spec: what the network is made of.

    Example:
        >>> tuple(MobileNetV2(MobileNetV2Spec(num_classes=10))(paddle.rand([1, 3, 32, 32])).shape)
        (1, 10)
    """

    def __init__(self, spec: MobileNetV2Spec) -> None:
        super().__init__(spec, _steps(spec))
        add_warehouses(self, spec)
        self.features = nn.Sequential(
            ConvNormReLU6(spec.stem.conv),
            *map(InvertedResidual, spec.blocks()),
            ConvNormReLU6(spec.last.conv),
        )
        self.classifier = nn.Sequential(nn.Dropout(spec.dropout), build_head(spec.head))
        serve_cells(self)

    def forward_head(self, features: paddle.Tensor) -> paddle.Tensor:
        y = self.classifier(self._pool(features))
        return y.flatten(1) if self._head_is_conv else y


def _steps(spec: MobileNetV2Spec) -> list[Step]:
    stages = {info.name for info in (*spec.feature_info(), *spec.further_maps())}
    names = [spec.stem.name, *(block.name for block in spec.blocks()), spec.last.name]
    return [(tuple(name.split(".")), name in stages) for name in names]
