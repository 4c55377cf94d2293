"""MobileNetV2, https://arxiv.org/abs/1801.04381, with any kind of convolution in its blocks.

Attribute names are those of the official ODConv code, because they name the stored arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import nn

from odconv_spec import ConvSpec, InvertedResidualSpec, MobileNetV2Spec, NormSpec
from odconv_spec.feature_maps import OutIndices, feature_indices
from odconv_torch.layers import build_conv, build_layer, build_norm
from odconv_torch.models.backbone import Backbone
from odconv_torch.models.conv_norm import conv_norm
from odconv_torch.models.head import Device, build_head
from odconv_torch.models.sharing import add_shared, add_warehouses, serve_cells, shared_by

MATCH_PREVIOUS: Final = 99999  # timm's word for "in the group before"


class ConvNormReLU6(nn.Sequential):
    """A convolution, a batch norm and a ReLU6; what a block shares goes to the first."""

    def __init__(
        self, spec: ConvSpec, device: Device = None, dtype: torch.dtype | None = None
    ) -> None:
        norm = build_norm(NormSpec(spec.out_channels), spec.rank, device, dtype)
        super().__init__(build_conv(spec, device, dtype), norm, nn.ReLU6(inplace=True))

    def forward(self, x: torch.Tensor, *shared: torch.Tensor) -> torch.Tensor:
        conv, norm, activation = self
        return activation(conv_norm(conv, norm, x, *shared))


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution, linear projection; a shortcut where shapes allow it."""

    def __init__(
        self, spec: InvertedResidualSpec, device: Device = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        self.residual = spec.residual
        self._shared = add_shared(self, spec.shared, device, dtype)
        scaling = spec.recalibration
        self._activated = len(spec.activated)
        self.conv = nn.Sequential(
            *(ConvNormReLU6(conv, device, dtype) for conv in spec.activated),
            build_conv(spec.project, device, dtype),
            build_norm(NormSpec(spec.project.out_channels), 2, device, dtype),
            *([build_layer(scaling, device, dtype)] if scaling else []),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shared = shared_by(self, self._shared, x)
        layers = tuple(self.conv)
        y = x
        for activated in layers[: self._activated]:
            y = activated(y, *shared)
        project, norm, *scaling = layers[self._activated :]
        y = conv_norm(project, norm, y, *shared)
        for layer in scaling:
            y = layer(y)
        if self.residual:
            y += x
        return y


class MobileNetV2(Backbone):
    """The network that a `MobileNetV2Spec` describes; see `create_model` for the named ones.

    Takes images (batch, in_channels, height, width) and returns logits (batch, num_classes).

    Args:
        spec: what the network is made of.
        device: where the parameters live.
        dtype: of the parameters.

    Example:
        >>> MobileNetV2(MobileNetV2Spec(num_classes=10))(torch.rand(1, 3, 32, 32)).shape
        torch.Size([1, 10])
    """

    def __init__(
        self, spec: MobileNetV2Spec, device: Device = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__(spec)
        add_warehouses(self, spec, device, dtype)
        self.features = nn.Sequential(
            ConvNormReLU6(spec.stem.conv, device, dtype),
            *(InvertedResidual(block, device, dtype) for block in spec.blocks()),
            ConvNormReLU6(spec.last.conv, device, dtype),
        )
        head = build_head(spec.head, device, dtype)
        self.classifier = nn.Sequential(nn.Dropout(spec.dropout), head)
        serve_cells(self)
        self._further = spec.further_maps()
        # Where in `features` each map of `feature_info` leaves, and that behind them.
        self._places = tuple(int(info.name.rpartition(".")[2]) for info in self._maps)
        self._exits = (*self._places, len(self.features) - 1)

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        return self._run(self.features, x)

    def forward_stages(self, x: torch.Tensor, out_indices: OutIndices = None) -> list[torch.Tensor]:
        chosen = feature_indices(self._maps, out_indices, further=self._further)
        maps: list[torch.Tensor] = []
        for place in range(self._exits[max(chosen)] + 1):
            x = self._run(self.features[place], x)
            if place in self._exits:
                maps.append(x)
        return [maps[index] for index in chosen]

    def forward_behind(self, x: torch.Tensor) -> torch.Tensor:
        return self._run(self.features[-1], x)

    def forward_head(self, features: torch.Tensor, pre_logits: bool = False) -> torch.Tensor:
        y = self._pool(features)
        return self._flat(self.classifier[0](y) if pre_logits else self.classifier(y))

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        last = (rf"^features\.{len(self.features) - 1}\.", (MATCH_PREVIOUS,))
        if not coarse:
            return {"stem": r"^features\.0\.", "blocks": [last, (r"^features\.(\d+)\.", None)]}
        firsts = [1, *(place + 1 for place in self._places[:-1])]
        stages = [
            (rf"^features\.(?:{'|'.join(map(str, range(first, end + 1)))})\.", (stage,))
            for stage, (first, end) in enumerate(zip(firsts, self._places, strict=True))
        ]
        return {"stem": r"^features\.0\.", "blocks": [last, *stages]}

    def modules_up_to(self, index: int) -> Mapping[str, nn.Module]:
        return {"features": self.features[: self._exits[index] + 1]}
