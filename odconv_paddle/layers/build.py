"""The one place that chooses a layer by its spec."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from paddle import nn
from paddle.nn.initializer import Initializer, Normal

from odconv_paddle.layers.build_static import build_linear, build_norm, build_static_conv
from odconv_paddle.layers.cond_conv import CondConv1D, CondConv2D, CondConv3D
from odconv_paddle.layers.dy_conv import DyConv1D, DyConv2D, DyConv3D
from odconv_paddle.layers.dynamic import DynamicConv
from odconv_paddle.layers.od_conv import ODConv1D, ODConv2D, ODConv3D
from odconv_spec import CondConvSpec, ConvSpec, DyConvSpec, LinearSpec, ODConvSpec
from odconv_spec.plugins import row

__all__ = ["build_classifier", "build_conv", "build_linear", "build_norm"]

DYNAMIC: Final[Mapping[type[ConvSpec], tuple[type[DynamicConv], ...]]] = {  # by rank - 1
    ODConvSpec: (ODConv1D, ODConv2D, ODConv3D),
    DyConvSpec: (DyConv1D, DyConv2D, DyConv3D),
    CondConvSpec: (CondConv1D, CondConv2D, CondConv3D),
}


def layer_class(spec: type[ConvSpec], rank: int) -> type[DynamicConv]:
    """The dynamic convolution of a kind of spec over `rank` axes."""
    layers = DYNAMIC.get(spec) or row("odconv.paddle_layers", {}, spec.kind)
    return layers[rank - 1]


def build_conv(spec: ConvSpec, initializer: Initializer | None = None) -> nn.Layer:
    """The convolution that `spec` describes, static or dynamic; None starts at Kaiming normal."""
    if type(spec) is ConvSpec:
        return build_static_conv(spec, initializer)
    options = spec.options()
    bias = options.pop("bias")
    layer = layer_class(type(spec), spec.rank)
    return layer(**options, weight_attr=initializer, bias_attr=bias)


def build_classifier(spec: LinearSpec | ConvSpec) -> nn.Layer:
    """The classifier of a backbone: linear, or a 1x1 convolution that starts as that does."""
    if isinstance(spec, LinearSpec):
        return build_linear(spec)
    # The fan-out of a classifier is the number of classes: of ten, logits would be huge.
    return build_conv(spec, Normal(0.0, 0.01))
