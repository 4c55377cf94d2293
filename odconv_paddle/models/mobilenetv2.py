"""MobileNetV2, https://arxiv.org/abs/1801.04381, with any kind of convolution in its blocks.

Attribute names are those of the official ODConv code, because they name the stored arrays.
"""

from __future__ import annotations

import paddle
from paddle import nn

from odconv_paddle.layers import build_conv, build_linear, build_norm
from odconv_paddle.models.backbone import Backbone
from odconv_spec import ConvSpec, InvertedResidualSpec, MobileNetV2Spec, NormSpec


class InvertedResidual(nn.Layer):
    """Expansion, depthwise convolution, linear projection; a shortcut where shapes allow it."""

    def __init__(self, spec: InvertedResidualSpec) -> None:
        super().__init__()
        self.residual = spec.residual
        self.conv = nn.Sequential(
            *(_conv_norm_relu6(conv) for conv in spec.activated),
            build_conv(spec.project),
            build_norm(NormSpec(spec.project.out_channels)),
        )

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return x + self.conv(x) if self.residual else self.conv(x)


class MobileNetV2(Backbone):
    """The network that a `MobileNetV2Spec` describes; see `create_model` for the named ones."""

    def __init__(self, spec: MobileNetV2Spec) -> None:
        super().__init__(spec)
        self.features = nn.Sequential(
            _conv_norm_relu6(spec.stem.conv),
            *(InvertedResidual(block) for block in spec.blocks()),
            _conv_norm_relu6(spec.last.conv),
        )
        self.classifier = nn.Sequential(nn.Dropout(spec.dropout), build_linear(spec.head))

    def forward_features(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.features(x)

    def forward_head(self, features: paddle.Tensor) -> paddle.Tensor:
        return self.classifier(features.mean(axis=[2, 3]))


def _conv_norm_relu6(conv: ConvSpec) -> nn.Sequential:
    norm = build_norm(NormSpec(conv.out_channels), conv.rank)
    return nn.Sequential(build_conv(conv), norm, nn.ReLU6())
