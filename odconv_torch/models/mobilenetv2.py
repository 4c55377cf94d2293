"""MobileNetV2, https://arxiv.org/abs/1801.04381, with any kind of convolution in its blocks.

Attribute names are those of the official ODConv code, because they name the stored arrays.
"""

from __future__ import annotations

import torch
from torch import nn

from odconv_spec import ConvSpec, InvertedResidualSpec, MobileNetV2Spec, NormSpec
from odconv_torch.layers import build_conv, build_linear, build_norm
from odconv_torch.models.backbone import Backbone

Device = torch.device | str | None


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution, linear projection; a shortcut where shapes allow it."""

    def __init__(
        self, spec: InvertedResidualSpec, device: Device = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        self.residual = spec.residual
        self.conv = nn.Sequential(
            *(_conv_norm_relu6(conv, device, dtype) for conv in spec.activated),
            build_conv(spec.project, device, dtype),
            build_norm(NormSpec(spec.project.out_channels), 2, device, dtype),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.conv(x) if self.residual else self.conv(x)


class MobileNetV2(Backbone):
    """The network that a `MobileNetV2Spec` describes; see `create_model` for the named ones."""

    def __init__(
        self, spec: MobileNetV2Spec, device: Device = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__(spec)
        self.features = nn.Sequential(
            _conv_norm_relu6(spec.stem.conv, device, dtype),
            *(InvertedResidual(block, device, dtype) for block in spec.blocks()),
            _conv_norm_relu6(spec.last.conv, device, dtype),
        )
        self.classifier = nn.Sequential(
            nn.Dropout(spec.dropout), build_linear(spec.head, device, dtype)
        )

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        return self.features(x)

    def forward_head(self, features: torch.Tensor) -> torch.Tensor:
        return self.classifier(features.mean(dim=(2, 3)))


def _conv_norm_relu6(conv: ConvSpec, device: Device, dtype: torch.dtype | None) -> nn.Sequential:
    norm = build_norm(NormSpec(conv.out_channels), conv.rank, device, dtype)
    return nn.Sequential(build_conv(conv, device, dtype), norm, nn.ReLU6())
