"""ResNet, https://arxiv.org/abs/1512.03385, with any kind of convolution in its blocks.

Attribute names are those of the official ODConv code, because they name the stored arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from odconv_spec import ConvSpec, NormSpec, ResidualSpec, ResNetSpec
from odconv_spec.feature_maps import OutIndices, feature_indices
from odconv_torch.layers import build_conv, build_layer, build_norm
from odconv_torch.models.backbone import Backbone
from odconv_torch.models.conv_norm import conv_norm
from odconv_torch.models.head import Device, build_head
from odconv_torch.models.sharing import (
    ConvNorm,
    add_shared,
    add_warehouses,
    serve_cells,
    shared_by,
)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    def __init__(
        self, spec: ResidualSpec, device: Device = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        conv1, conv2 = spec.convs
        self._shared = add_shared(self, spec.shared, device, dtype)
        self.conv1 = build_conv(conv1, device, dtype)
        self.bn1 = _norm_after(conv1, device, dtype)
        self.conv2 = build_conv(conv2, device, dtype)
        self.bn2 = _norm_after(conv2, device, dtype)
        self._scaling = _add_recalibration(self, spec, device, dtype)
        self.downsample = _shortcut(spec, device, dtype)
        self._shared_beside = spec.shared_beside

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shared = shared_by(self, self._shared, x)
        y = F.relu(conv_norm(self.conv1, self.bn1, x, *shared), inplace=True)
        y = conv_norm(self.conv2, self.bn2, y, *shared)
        y = getattr(self, self._scaling)(y) if self._scaling else y
        beside = shared if self._shared_beside else ()
        shortcut = x if self.downsample is None else self.downsample(x, *beside)
        y += shortcut
        return F.relu(y, inplace=True)


class Bottleneck(nn.Module):
    """A 1x1, a 3x3 that carries the stride, a 1x1 that widens, and a shortcut."""

    def __init__(
        self, spec: ResidualSpec, device: Device = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        conv1, conv2, conv3 = spec.convs
        self._shared = add_shared(self, spec.shared, device, dtype)
        self.conv1 = build_conv(conv1, device, dtype)
        self.bn1 = _norm_after(conv1, device, dtype)
        self.conv2 = build_conv(conv2, device, dtype)
        self.bn2 = _norm_after(conv2, device, dtype)
        self.conv3 = build_conv(conv3, device, dtype)
        self.bn3 = _norm_after(conv3, device, dtype)
        self._scaling = _add_recalibration(self, spec, device, dtype)
        self.downsample = _shortcut(spec, device, dtype)
        self._shared_beside = spec.shared_beside

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shared = shared_by(self, self._shared, x)
        y = F.relu(conv_norm(self.conv1, self.bn1, x, *shared), inplace=True)
        y = F.relu(conv_norm(self.conv2, self.bn2, y, *shared), inplace=True)
        y = conv_norm(self.conv3, self.bn3, y, *shared)
        y = getattr(self, self._scaling)(y) if self._scaling else y
        beside = shared if self._shared_beside else ()
        shortcut = x if self.downsample is None else self.downsample(x, *beside)
        y += shortcut
        return F.relu(y, inplace=True)


class ResNet(Backbone):
    """The network that a `ResNetSpec` describes; see `create_model` for the named ones.

    Takes images (batch, in_channels, height, width) and returns logits (batch, num_classes).

    Args:
        spec: what the network is made of.
        device: where the parameters live.
        dtype: of the parameters.

    Example:
        >>> ResNet(ResNetSpec(num_classes=10))(torch.rand(1, 3, 32, 32)).shape
        torch.Size([1, 10])
    """

    def __init__(
        self, spec: ResNetSpec, device: Device = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__(spec)
        block = BasicBlock if spec.block == "basic" else Bottleneck
        add_warehouses(self, spec, device, dtype)
        self.conv1 = build_conv(spec.stem, device, dtype)
        self.bn1 = _norm_after(spec.stem, device, dtype)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        for stage, blocks in spec.by_stage():
            self.add_module(stage, nn.Sequential(*(block(b, device, dtype) for b in blocks)))
        self.stages = tuple(info.name for info in self._maps[1:])
        self.dropout = nn.Dropout(spec.dropout)
        self.fc = build_head(spec.head, device, dtype)
        serve_cells(self)

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        return self.forward_stages(x, (len(self.stages),))[0]

    def forward_stages(self, x: torch.Tensor, out_indices: OutIndices = None) -> list[torch.Tensor]:
        chosen = feature_indices(self._maps, out_indices)
        maps = [F.relu(conv_norm(self.conv1, self.bn1, x), inplace=True)]
        for index, stage in enumerate(self.stages[: max(chosen)]):
            x = self.maxpool(maps[0]) if index == 0 else maps[-1]
            maps.append(self._run(getattr(self, stage), x))
        return [maps[index] for index in chosen]

    def forward_head(self, features: torch.Tensor, pre_logits: bool = False) -> torch.Tensor:
        y = self.dropout(self._pool(features))
        return self._flat(y if pre_logits else self.fc(y))

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        blocks = r"^layer(\d+)\." if coarse else r"^layer(\d+)\.(\d+)\."
        return {"stem": r"^(?:conv1|bn1)\.", "blocks": blocks}

    def modules_up_to(self, index: int) -> Mapping[str, nn.Module]:
        names = ("conv1", "bn1", "maxpool", *self.stages[:index])
        return {name: getattr(self, name) for name in names}


def _norm_after(conv: ConvSpec, device: Device, dtype: torch.dtype | None) -> nn.Module:
    return build_norm(NormSpec(conv.out_channels), conv.rank, device, dtype)


def _add_recalibration(
    block: nn.Module, spec: ResidualSpec, device: Device, dtype: torch.dtype | None
) -> str:
    """Adds what scales the map of the block, and gives its name, which official files have."""
    if spec.recalibration is None:
        return ""
    kind = spec.recalibration.kind
    block.add_module(kind, build_layer(spec.recalibration, device, dtype))
    return kind


def _shortcut(spec: ResidualSpec, device: Device, dtype: torch.dtype | None) -> nn.Module | None:
    if spec.downsample is None:
        return None
    conv = build_conv(spec.downsample, device, dtype)
    return ConvNorm(conv, _norm_after(spec.downsample, device, dtype))
