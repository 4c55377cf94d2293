"""The one place that chooses a layer by its spec."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from paddle import nn

from odconv_paddle.layers.build_static import build_linear, build_norm, build_static_conv
from odconv_paddle.layers.od_conv import ODConv1D, ODConv2D, ODConv3D
from odconv_spec import ConvSpec, ODConvSpec

__all__ = ["build_conv", "build_linear", "build_norm"]

DYNAMIC: Mapping[type[ConvSpec], tuple[Callable[..., nn.Layer], ...]] = MappingProxyType(
    {ODConvSpec: (ODConv1D, ODConv2D, ODConv3D)}  # by rank - 1
)


def build_conv(spec: ConvSpec) -> nn.Layer:
    """The convolution that `spec` describes, static or dynamic."""
    if type(spec) is ConvSpec:
        return build_static_conv(spec)
    options = spec.options()
    bias = options.pop("bias")
    return DYNAMIC[type(spec)][spec.rank - 1](**options, bias_attr=bias)
