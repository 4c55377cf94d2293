"""Static layers from their specs."""

from __future__ import annotations

from typing import Any

import keras

from odconv_keras.layers.init import kaiming_normal
from odconv_keras.layers.linear import Linear
from odconv_keras.layers.norm import BatchNormalization, LayerNormalization
from odconv_keras.layers.routing import Routing
from odconv_keras.layers.static_conv import StaticConv1D, StaticConv2D, StaticConv3D
from odconv_spec import ConvSpec, LayerNormSpec, LinearSpec, NormSpec, RoutingSpec

_CONVS = (StaticConv1D, StaticConv2D, StaticConv3D)  # by rank - 1


def build_static_conv(spec: ConvSpec, **options: Any) -> keras.layers.Layer:
    """A convolution with padding by number, and a Kaiming normal start unless another is given.

    `options` are those of every Keras layer, such as `name` and `dtype`.
    """
    return _CONVS[spec.rank - 1](
        spec.out_channels,
        spec.kernel,
        spec.strides,
        padding=spec.padding,
        data_format="channels_last",
        dilation_rate=spec.dilations,
        groups=spec.groups,
        use_bias=spec.bias,
        **{"kernel_initializer": kaiming_normal(), **options},
    )


def build_norm(spec: NormSpec | LayerNormSpec, **options: Any) -> keras.layers.Layer:
    """The norm that `spec` describes, over the batch or over each sample's channels.

    `options` are those of every Keras layer, such as `name` and `dtype`.

    Returns:
        (batch, *map, channels) to the same shape.

    Example:
        >>> tuple(build_norm(NormSpec(6))(keras.ops.ones((2, 8, 9, 6))).shape)
        (2, 8, 9, 6)
    """
    if isinstance(spec, LayerNormSpec):
        return LayerNormalization(epsilon=spec.eps, **options)
    # Keras' momentum is the weight of the old statistics, the spec's that of the new batch.
    return BatchNormalization(momentum=1 - spec.momentum, epsilon=spec.eps, **options)


def build_linear(spec: LinearSpec, **options: Any) -> Linear:
    """A classifier that starts at normal(0, 0.01), as in MobileNetV2's published code.

    `options` are those of every Keras layer, such as `name` and `dtype`.

    Returns:
        (batch, in) to (batch, out).

    Example:
        >>> tuple(build_linear(LinearSpec(6, 10))(keras.ops.ones((2, 6))).shape)
        (2, 10)
    """
    start = {"kernel_initializer": keras.initializers.RandomNormal(stddev=0.01), **options}
    return Linear(spec.out_channels, use_bias=spec.bias, **start)


def build_routing(spec: RoutingSpec, **options: Any) -> Routing:
    """A router that starts as Keras' linear layers do, or at zero.

    `options` are those of every Keras layer, such as `name` and `dtype`.

    Returns:
        (batch, *map, in) to (batch, out).

    Example:
        >>> tuple(build_routing(RoutingSpec(16, 8))(keras.ops.ones((2, 8, 9, 16))).shape)
        (2, 8)
    """
    start = "zeros" if spec.head_init == "zero" else "glorot_uniform"
    return Routing(
        spec.out_channels, kernel_initializer=start, data_format="channels_last", **options
    )
