"""ResNet, https://arxiv.org/abs/1512.03385, with any kind of convolution in its blocks.

Attribute names are those of the official ODConv code, because they name the stored arrays.
"""

from __future__ import annotations

import paddle
from paddle import nn
from paddle.nn import functional as F

from odconv_paddle.layers import build_conv, build_layer, build_norm
from odconv_paddle.models.backbone import Backbone, Step
from odconv_paddle.models.head import build_head
from odconv_paddle.models.sharing import (
    ConvNorm,
    add_shared,
    add_warehouses,
    serve_cells,
    shared_by,
)
from odconv_spec import ConvSpec, NormSpec, ResidualSpec, ResNetSpec


@paddle.jit.marker.unified  # to_static records the calls and leaves the source alone
class _ResidualBlock(nn.Layer):
    """The layers of a block: what they share, each convolution with its norm, the shortcut."""

    def __init__(self, spec: ResidualSpec) -> None:
        super().__init__()
        self._shared = add_shared(self, spec.shared)
        for number, conv in enumerate(spec.convs, start=1):
            self.add_sublayer(f"conv{number}", build_conv(conv))
            self.add_sublayer(f"bn{number}", _norm_after(conv))
        scaling = spec.recalibration
        self._scaling = "" if scaling is None else scaling.kind  # which official files have
        if scaling is not None:
            self.add_sublayer(self._scaling, build_layer(scaling))
        self.downsample = _shortcut(spec)
        self._shared_beside = spec.shared_beside

    def _scaled(self, y: paddle.Tensor) -> paddle.Tensor:
        """The map of the last norm, scaled where the block has a layer for it."""
        return getattr(self, self._scaling)(y) if self._scaling else y

    def _shortcut_of(self, x: paddle.Tensor, shared: tuple[paddle.Tensor, ...]) -> paddle.Tensor:
        beside = shared if self._shared_beside else ()
        return x if self.downsample is None else self.downsample(x, *beside)


class BasicBlock(_ResidualBlock):
    """Two 3x3 convolutions and a shortcut."""

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        shared = shared_by(self, self._shared, x)
        y = F.relu(self.bn1(self.conv1(x, *shared)))
        y = self.bn2(self.conv2(y, *shared))
        return F.relu(self._scaled(y) + self._shortcut_of(x, shared))


class Bottleneck(_ResidualBlock):
    """A 1x1, a 3x3 that carries the stride, a 1x1 that widens, and a shortcut."""

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        shared = shared_by(self, self._shared, x)
        y = F.relu(self.bn1(self.conv1(x, *shared)))
        y = F.relu(self.bn2(self.conv2(y, *shared)))
        y = self.bn3(self.conv3(y, *shared))
        return F.relu(self._scaled(y) + self._shortcut_of(x, shared))


class ResNet(Backbone):
    """The network that a `ResNetSpec` describes; see `create_model` for the named ones.

    Takes images (batch, in_channels, height, width) and returns logits (batch, num_classes).

    Args:
        spec: what the network is made of.

    Example:
        >>> tuple(ResNet(ResNetSpec(num_classes=10))(paddle.rand([1, 3, 32, 32])).shape)
        (1, 10)
    """

    def __init__(self, spec: ResNetSpec) -> None:
        super().__init__(spec, _steps(spec))
        block = BasicBlock if spec.block == "basic" else Bottleneck
        add_warehouses(self, spec)
        self.conv1 = build_conv(spec.stem)
        self.bn1 = _norm_after(spec.stem)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2D(3, stride=2, padding=1)
        for stage, blocks in spec.by_stage():
            self.add_sublayer(stage, nn.Sequential(*map(block, blocks)))
        self.dropout = nn.Dropout(spec.dropout)
        self.fc = build_head(spec.head)
        serve_cells(self)

    def forward_head(self, features: paddle.Tensor) -> paddle.Tensor:
        y = self.fc(self.dropout(self._pool(features)))
        return y.flatten(1) if self._head_is_conv else y


def _steps(spec: ResNetSpec) -> list[Step]:
    stem = [(("conv1",), False), (("bn1",), False), (("relu",), True), (("maxpool",), False)]
    return [*stem, *(((stage,), True) for stage, _ in spec.by_stage())]


def _norm_after(conv: ConvSpec) -> nn.Layer:
    return build_norm(NormSpec(conv.out_channels), conv.rank)


def _shortcut(spec: ResidualSpec) -> nn.Layer | None:
    if spec.downsample is None:
        return None
    return ConvNorm(build_conv(spec.downsample), _norm_after(spec.downsample))
