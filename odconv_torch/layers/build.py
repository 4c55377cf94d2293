"""The one place that chooses a layer by its spec."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import nn

from odconv_spec import (
    CBAMSpec,
    CGConvSpec,
    CondConvSpec,
    ConvSpec,
    DCDConvSpec,
    DCDLinearSpec,
    DyConvSpec,
    DynamicConvSpec,
    EfficientChannelAttentionSpec,
    FDConvSpec,
    KWConvSpec,
    KWLinearSpec,
    LinearSpec,
    ODConvSpec,
    RecalibrationSpec,
    ReduceSpec,
    RoutingSpec,
    SharedSpec,
    SqueezeExcitationSpec,
    WEConvSpec,
    WeightNetConvSpec,
)
from odconv_spec.plugins import row
from odconv_torch.layers.build_static import build_linear, build_norm, build_static_conv
from odconv_torch.layers.cbam import CBAM
from odconv_torch.layers.cg_conv import CGConv1d, CGConv2d, CGConv3d
from odconv_torch.layers.cond_conv import CondConv1d, CondConv2d, CondConv3d
from odconv_torch.layers.dcd_conv import DCDConv1d, DCDConv2d, DCDConv3d
from odconv_torch.layers.dcd_linear import DCDLinear
from odconv_torch.layers.dy_conv import DyConv1d, DyConv2d, DyConv3d
from odconv_torch.layers.dynamic import DynamicConv
from odconv_torch.layers.efficient_channel_attention import EfficientChannelAttention
from odconv_torch.layers.fd_conv import FDConv2d
from odconv_torch.layers.kw_conv import KWConv1d, KWConv2d, KWConv3d
from odconv_torch.layers.kw_linear import KWLinear
from odconv_torch.layers.od_conv import ODConv1d, ODConv2d, ODConv3d
from odconv_torch.layers.recalibration import Recalibration
from odconv_torch.layers.routing import Routing
from odconv_torch.layers.squeeze_excitation import SqueezeExcitation
from odconv_torch.layers.we_conv import WEConv1d, WEConv2d, WEConv3d
from odconv_torch.layers.weight_net import Reduce
from odconv_torch.layers.weight_net_conv import WeightNetConv1d, WeightNetConv2d, WeightNetConv3d

__all__ = [
    "DYNAMIC",
    "LINEAR",
    "RECALIBRATIONS",
    "SHARED",
    "build_conv",
    "build_layer",
    "build_linear",
    "build_norm",
    "build_shared",
]

DYNAMIC: Final[Mapping[type[ConvSpec], tuple[type[DynamicConv], ...]]] = {
    ODConvSpec: (ODConv1d, ODConv2d, ODConv3d),
    DyConvSpec: (DyConv1d, DyConv2d, DyConv3d),
    CondConvSpec: (CondConv1d, CondConv2d, CondConv3d),
    CGConvSpec: (CGConv1d, CGConv2d, CGConv3d),
    DCDConvSpec: (DCDConv1d, DCDConv2d, DCDConv3d),
    KWConvSpec: (KWConv1d, KWConv2d, KWConv3d),
    FDConvSpec: (FDConv2d,),
    WEConvSpec: (WEConv1d, WEConv2d, WEConv3d),
    WeightNetConvSpec: (WeightNetConv1d, WeightNetConv2d, WeightNetConv3d),
}
"""The layers of each kind of convolution, of one, two and three axes."""
LINEAR: Final[Mapping[type[LinearSpec], Any]] = {  # what makes a layer of the spec
    LinearSpec: build_linear,
    DCDLinearSpec: DCDLinear.from_spec,
    KWLinearSpec: KWLinear.from_spec,
}
RECALIBRATIONS: Final[Mapping[type[RecalibrationSpec], type[Recalibration]]] = {
    SqueezeExcitationSpec: SqueezeExcitation,
    CBAMSpec: CBAM,
    EfficientChannelAttentionSpec: EfficientChannelAttention,
}
SHARED: Final[Mapping[type[SharedSpec], Any]] = {
    RoutingSpec: Routing,
    ReduceSpec: Reduce,
}


def layer_class(spec: type[DynamicConvSpec], rank: int) -> type[DynamicConv]:
    """The dynamic convolution of a kind of spec over `rank` axes; raises ValueError if none is."""
    layers = DYNAMIC.get(spec) or row("odconv.torch_layers", {}, spec.kind)
    return spec.of_rank(layers, rank)


def build_conv(
    spec: ConvSpec,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> nn.Module:
    """The convolution that `spec` describes, static or dynamic, with random weights.

    Args:
        spec: of a static or a dynamic convolution.
        device: where the parameters live.
        dtype: of the parameters.

    Returns:
        A convolution of `torch.nn`, or a `DynamicConv`.

    Raises:
        ValueError: no package has layers for this kind of convolution.

    Example:
        >>> spec = ODConvSpec(in_channels=16, out_channels=32, kernel_size=3, padding=1)
        >>> build_conv(spec)(torch.rand(1, 16, 8, 9)).shape
        torch.Size([1, 32, 8, 9])
    """
    if not isinstance(spec, DynamicConvSpec):
        return build_static_conv(spec, device, dtype)
    return layer_class(type(spec), spec.rank).from_spec(spec, device=device, dtype=dtype)


def build_layer(
    spec: ConvSpec | LinearSpec | RecalibrationSpec,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> nn.Module:
    """The convolution, linear layer, or layer that scales maps, which `spec` describes.

    Args:
        spec: of a convolution, of a `DCDLinear`, of a `SqueezeExcitation` and so on.
        device: where the parameters live.
        dtype: of the parameters.

    Returns:
        A layer with random weights.

    Raises:
        ValueError: no package has layers for this kind of convolution.

    Example:
        >>> build_layer(SqueezeExcitationSpec(channels=64))(torch.rand(1, 64, 8, 9)).shape
        torch.Size([1, 64, 8, 9])
    """
    if isinstance(spec, ConvSpec):
        return build_conv(spec, device, dtype)
    if isinstance(spec, LinearSpec):
        return LINEAR[type(spec)](spec, device=device, dtype=dtype)
    return RECALIBRATIONS[type(spec)].from_spec(spec, device=device, dtype=dtype)


def build_shared(
    spec: SharedSpec,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> nn.Module:
    """The layer that `spec` describes, whose output all convolutions of a block take.

    Args:
        spec: of what a kind of convolution brings for its blocks.
        device: where the parameters live.
        dtype: of the parameters.

    Returns:
        A layer with random weights.

    Example:
        >>> build_shared(RoutingSpec(16, 8))(torch.rand(1, 16, 8, 9)).shape
        torch.Size([1, 8])
    """
    layer: nn.Module = SHARED[type(spec)].from_spec(spec, device, dtype)
    return layer
