"""ResNet, https://arxiv.org/abs/1512.03385, with any kind of convolution in its blocks.

Attribute names are those of the official ODConv code, because they name the stored arrays.
"""

from __future__ import annotations

import paddle
from paddle import nn
from paddle.nn import functional as F

from odconv_paddle.layers import build_conv, build_linear, build_norm
from odconv_paddle.models.backbone import Backbone
from odconv_spec import ConvSpec, NormSpec, ResidualSpec, ResNetSpec


class BasicBlock(nn.Layer):
    """Two 3x3 convolutions and a shortcut."""

    def __init__(self, spec: ResidualSpec) -> None:
        super().__init__()
        conv1, conv2 = spec.convs
        self.conv1 = build_conv(conv1)
        self.bn1 = _norm_after(conv1)
        self.conv2 = build_conv(conv2)
        self.bn2 = _norm_after(conv2)
        self.downsample = _shortcut(spec)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        shortcut = x if self.downsample is None else self.downsample(x)
        return F.relu(y + shortcut)


class Bottleneck(nn.Layer):
    """A 1x1, a 3x3 that carries the stride, a 1x1 that widens, and a shortcut."""

    def __init__(self, spec: ResidualSpec) -> None:
        super().__init__()
        conv1, conv2, conv3 = spec.convs
        self.conv1 = build_conv(conv1)
        self.bn1 = _norm_after(conv1)
        self.conv2 = build_conv(conv2)
        self.bn2 = _norm_after(conv2)
        self.conv3 = build_conv(conv3)
        self.bn3 = _norm_after(conv3)
        self.downsample = _shortcut(spec)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        shortcut = x if self.downsample is None else self.downsample(x)
        return F.relu(y + shortcut)


class ResNet(Backbone):
    """The network that a `ResNetSpec` describes; see `create_model` for the named ones."""

    def __init__(self, spec: ResNetSpec) -> None:
        super().__init__(spec)
        block = BasicBlock if spec.block == "basic" else Bottleneck
        self.conv1 = build_conv(spec.stem)
        self.bn1 = _norm_after(spec.stem)
        self.maxpool = nn.MaxPool2D(3, stride=2, padding=1)
        self.stages = tuple(stage for stage, _ in spec.by_stage())
        for stage, blocks in spec.by_stage():
            self.add_sublayer(stage, nn.Sequential(*map(block, blocks)))
        self.dropout = nn.Dropout(spec.dropout)
        self.fc = build_linear(spec.head)

    def forward_features(self, x: paddle.Tensor) -> paddle.Tensor:
        x = self.maxpool(F.relu(self.bn1(self.conv1(x))))
        for stage in self.stages:
            x = getattr(self, stage)(x)
        return x

    def forward_head(self, features: paddle.Tensor) -> paddle.Tensor:
        return self.fc(self.dropout(features.mean(axis=[2, 3])))


def _norm_after(conv: ConvSpec) -> nn.Layer:
    return build_norm(NormSpec(conv.out_channels), conv.rank)


def _shortcut(spec: ResidualSpec) -> nn.Layer | None:
    if spec.downsample is None:
        return None
    return nn.Sequential(build_conv(spec.downsample), _norm_after(spec.downsample))
