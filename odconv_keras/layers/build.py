"""The one place that chooses a layer by its spec."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import keras

from odconv_keras.layers.build_static import build_linear, build_routing, build_static_conv
from odconv_keras.layers.cbam import CBAM
from odconv_keras.layers.cg_conv import CGConv1D, CGConv2D, CGConv3D
from odconv_keras.layers.cond_conv import CondConv1D, CondConv2D, CondConv3D
from odconv_keras.layers.dcd_conv import DCDConv1D, DCDConv2D, DCDConv3D
from odconv_keras.layers.dcd_linear import DCDLinear
from odconv_keras.layers.dy_conv import DyConv1D, DyConv2D, DyConv3D
from odconv_keras.layers.dynamic import DynamicConv
from odconv_keras.layers.efficient_channel_attention import EfficientChannelAttention
from odconv_keras.layers.fd_conv import FDConv2D
from odconv_keras.layers.kw_conv import KWConv1D, KWConv2D, KWConv3D
from odconv_keras.layers.kw_linear import KWLinear
from odconv_keras.layers.od_conv import ODConv1D, ODConv2D, ODConv3D
from odconv_keras.layers.recalibration import Recalibration
from odconv_keras.layers.squeeze_excitation import SqueezeExcitation
from odconv_keras.layers.we_conv import WEConv1D, WEConv2D, WEConv3D
from odconv_keras.layers.weight_net import Reduce
from odconv_keras.layers.weight_net_conv import WeightNetConv1D, WeightNetConv2D, WeightNetConv3D
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
SHARED: Final[Mapping[type[SharedSpec], Callable[..., keras.layers.Layer]]] = {
    RoutingSpec: build_routing,
    ReduceSpec: Reduce.from_spec,
}


def layer_class(spec: type[DynamicConvSpec], rank: int) -> type[DynamicConv]:
    """The dynamic convolution of a kind of spec over `rank` axes; raises ValueError if none is."""
    layers = DYNAMIC.get(spec) or row("odconv.keras_layers", {}, spec.kind)
    return spec.of_rank(layers, rank)


def build_conv(spec: ConvSpec, **options: Any) -> keras.layers.Layer:
    """The convolution that `spec` describes, static or dynamic, with channels last.

    Args:
        spec: of a static or a dynamic convolution.
        **options: those of every Keras layer, such as `name` and `dtype`, and initializers.

    Returns:
        A `StaticConv1D`, `StaticConv2D` or `StaticConv3D`, or a `DynamicConv`, not built yet.

    Raises:
        ValueError: no package has layers for this kind of convolution.

    Example:
        >>> spec = ODConvSpec(in_channels=16, out_channels=32, kernel_size=3, padding=1)
        >>> tuple(build_conv(spec)(keras.ops.ones((1, 8, 9, 16))).shape)
        (1, 8, 9, 32)
    """
    if not isinstance(spec, DynamicConvSpec):
        return build_static_conv(spec, **options)
    layer = layer_class(type(spec), spec.rank)
    return layer.from_spec(spec, data_format="channels_last", **options)


def build_layer(
    spec: ConvSpec | LinearSpec | RecalibrationSpec, **options: Any
) -> keras.layers.Layer:
    """The convolution, linear layer, or layer that scales maps, of `spec`; channels are last.

    Args:
        spec: of a convolution, of a `DCDLinear`, of a `SqueezeExcitation` and so on.
        **options: those of every Keras layer, such as `name` and `dtype`.

    Returns:
        A layer that is not built yet.

    Raises:
        ValueError: no package has layers for this kind of convolution.

    Example:
        >>> layer = build_layer(SqueezeExcitationSpec(channels=64))
        >>> tuple(layer(keras.ops.ones((1, 8, 9, 64))).shape)
        (1, 8, 9, 64)
    """
    if isinstance(spec, ConvSpec):
        return build_conv(spec, **options)
    if isinstance(spec, LinearSpec):
        return LINEAR[type(spec)](spec, **options)
    layer = RECALIBRATIONS[type(spec)]
    return layer.from_spec(spec, data_format="channels_last", **options)


def build_shared(spec: SharedSpec, **options: Any) -> keras.layers.Layer:
    """The layer that `spec` describes, whose output all convolutions of a block take.

    Args:
        spec: of what a kind of convolution brings for its blocks.
        **options: those of every Keras layer, such as `name` and `dtype`.

    Returns:
        A layer that is not built yet, for maps with channels last.

    Example:
        >>> tuple(build_shared(RoutingSpec(16, 8))(keras.ops.ones((1, 8, 9, 16))).shape)
        (1, 8)
    """
    return SHARED[type(spec)](spec, **options)
