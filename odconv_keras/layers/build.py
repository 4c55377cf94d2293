"""The one place that chooses a layer by its spec."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import keras

from odconv_keras.layers.build_static import build_static_conv
from odconv_keras.layers.cond_conv import CondConv1D, CondConv2D, CondConv3D
from odconv_keras.layers.dy_conv import DyConv1D, DyConv2D, DyConv3D
from odconv_keras.layers.dynamic import DynamicConv
from odconv_keras.layers.od_conv import ODConv1D, ODConv2D, ODConv3D
from odconv_spec import CondConvSpec, ConvSpec, DyConvSpec, ODConvSpec
from odconv_spec.plugins import row

DYNAMIC: Final[Mapping[type[ConvSpec], tuple[type[DynamicConv], ...]]] = {  # by rank - 1
    ODConvSpec: (ODConv1D, ODConv2D, ODConv3D),
    DyConvSpec: (DyConv1D, DyConv2D, DyConv3D),
    CondConvSpec: (CondConv1D, CondConv2D, CondConv3D),
}
# What the specs call like torch does and Keras by names of its own.
_KERAS_NAMES: Final[Mapping[str, str]] = {
    "out_channels": "filters",
    "stride": "strides",
    "dilation": "dilation_rate",
    "bias": "use_bias",
}


def layer_class(spec: type[ConvSpec], rank: int) -> type[DynamicConv]:
    """The dynamic convolution of a kind of spec over `rank` axes."""
    layers = DYNAMIC.get(spec) or row("odconv.keras_layers", {}, spec.kind)
    return layers[rank - 1]


def build_conv(spec: ConvSpec, **options: Any) -> keras.layers.Layer:
    """The convolution that `spec` describes, static or dynamic, with channels last.

    `options` are those of every Keras layer, such as `name` and `dtype`.
    """
    if type(spec) is ConvSpec:
        return build_static_conv(spec, **options)
    layer = layer_class(type(spec), spec.rank)
    arguments = {_KERAS_NAMES.get(key, key): value for key, value in spec.options().items()}
    del arguments["in_channels"]  # inferred from the input
    return layer(data_format="channels_last", **arguments, **options)
