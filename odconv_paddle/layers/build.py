"""The one place that chooses a layer by its spec."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from paddle import nn
from paddle.nn.initializer import Initializer

from odconv_paddle.layers.build_static import build_linear, build_norm, build_static_conv
from odconv_paddle.layers.cbam import CBAM
from odconv_paddle.layers.cg_conv import CGConv1D, CGConv2D, CGConv3D
from odconv_paddle.layers.cond_conv import CondConv1D, CondConv2D, CondConv3D
from odconv_paddle.layers.dcd_conv import DCDConv1D, DCDConv2D, DCDConv3D
from odconv_paddle.layers.dcd_linear import DCDLinear
from odconv_paddle.layers.dy_conv import DyConv1D, DyConv2D, DyConv3D
from odconv_paddle.layers.dynamic import DynamicConv
from odconv_paddle.layers.efficient_channel_attention import EfficientChannelAttention
from odconv_paddle.layers.fd_conv import FDConv2D
from odconv_paddle.layers.kw_conv import KWConv1D, KWConv2D, KWConv3D
from odconv_paddle.layers.kw_linear import KWLinear
from odconv_paddle.layers.od_conv import ODConv1D, ODConv2D, ODConv3D
from odconv_paddle.layers.recalibration import Recalibration
from odconv_paddle.layers.routing import Routing
from odconv_paddle.layers.squeeze_excitation import SqueezeExcitation
from odconv_paddle.layers.we_conv import WEConv1D, WEConv2D, WEConv3D
from odconv_paddle.layers.weight_net import Reduce
from odconv_paddle.layers.weight_net_conv import WeightNetConv1D, WeightNetConv2D, WeightNetConv3D
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
    ODConvSpec: (ODConv1D, ODConv2D, ODConv3D),
    DyConvSpec: (DyConv1D, DyConv2D, DyConv3D),
    CondConvSpec: (CondConv1D, CondConv2D, CondConv3D),
    CGConvSpec: (CGConv1D, CGConv2D, CGConv3D),
    DCDConvSpec: (DCDConv1D, DCDConv2D, DCDConv3D),
    KWConvSpec: (KWConv1D, KWConv2D, KWConv3D),
    FDConvSpec: (FDConv2D,),
    WEConvSpec: (WEConv1D, WEConv2D, WEConv3D),
    WeightNetConvSpec: (WeightNetConv1D, WeightNetConv2D, WeightNetConv3D),
}
"""The layers of each kind of convolution, of one, two and three axes."""
LINEAR: Final[Mapping[type[LinearSpec], Any]] = {
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
    layers = DYNAMIC.get(spec) or row("odconv.paddle_layers", {}, spec.kind)
    return spec.of_rank(layers, rank)


def build_conv(spec: ConvSpec, initializer: Initializer | None = None) -> nn.Layer:
    """The convolution that `spec` describes, static or dynamic, with random weights.

    Args:
        spec: of a static or a dynamic convolution.
        initializer: of each kernel; None is Kaiming normal.

    Returns:
        A convolution of `paddle.nn`, or a `DynamicConv`.

    Raises:
        ValueError: no package has layers for this kind of convolution.

    Example:
        >>> spec = ODConvSpec(in_channels=16, out_channels=32, kernel_size=3, padding=1)
        >>> tuple(build_conv(spec)(paddle.rand([1, 16, 8, 9])).shape)
        (1, 32, 8, 9)
    """
    if not isinstance(spec, DynamicConvSpec):
        return build_static_conv(spec, initializer)
    return layer_class(type(spec), spec.rank).from_spec(spec, weight_attr=initializer)


def build_layer(spec: ConvSpec | LinearSpec | RecalibrationSpec) -> nn.Layer:
    """The convolution, linear layer, or layer that scales maps, which `spec` describes.

    Args:
        spec: of a convolution, of a `DCDLinear`, of a `SqueezeExcitation` and so on.

    Returns:
        A layer with random weights.

    Raises:
        ValueError: no package has layers for this kind of convolution.

    Example:
        >>> layer = build_layer(SqueezeExcitationSpec(channels=64))
        >>> tuple(layer(paddle.rand([1, 64, 8, 9])).shape)
        (1, 64, 8, 9)
    """
    if isinstance(spec, ConvSpec):
        return build_conv(spec)
    if isinstance(spec, LinearSpec):
        return LINEAR[type(spec)](spec)
    return RECALIBRATIONS[type(spec)].from_spec(spec)


def build_shared(spec: SharedSpec) -> nn.Layer:
    """The layer that `spec` describes, whose output all convolutions of a block take.

    Args:
        spec: of what a kind of convolution brings for its blocks.

    Returns:
        A layer with random weights.

    Example:
        >>> tuple(build_shared(RoutingSpec(16, 8))(paddle.rand([1, 16, 8, 9])).shape)
        (1, 8)
    """
    layer: nn.Layer = SHARED[type(spec)].from_spec(spec)
    return layer
