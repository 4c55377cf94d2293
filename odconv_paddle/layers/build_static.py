"""Static layers from their specs."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any

from paddle import ParamAttr, nn
from paddle.nn.initializer import Constant, Initializer, Normal
from paddle.nn.layer.conv import _ConvNd

from odconv_paddle.layers.init import kaiming_normal
from odconv_paddle.layers.norm import BATCH_NORMS, ChannelNorm
from odconv_spec import ConvSpec, LayerNormSpec, LinearSpec, NormSpec

Attr = Any  # paddle.ParamAttr, an initializer, a name or a bool, as in paddle.nn
_CONVS: tuple[Callable[..., _ConvNd], ...] = (nn.Conv1D, nn.Conv2D, nn.Conv3D)  # by rank - 1


def build_static_conv(spec: ConvSpec, weight_attr: Attr = None, bias_attr: Attr = None) -> _ConvNd:
    """A convolution of `paddle.nn`; without a start in `weight_attr`, it is Kaiming normal.

    Args:
        spec: of the convolution.
        weight_attr: `paddle.ParamAttr` of the kernel, or an initializer.
        bias_attr: `paddle.ParamAttr` of the bias, if the spec has any.
    """
    return _CONVS[spec.rank - 1](
        spec.in_channels,
        spec.out_channels,
        spec.kernel,
        spec.strides,
        [side for pair in spec.pads for side in pair],  # before and after each axis in turn
        spec.dilations,
        spec.groups,
        weight_attr=_started(weight_attr, kaiming_normal(spec)),
        bias_attr=_started(bias_attr, Constant(0.0)) if spec.bias else False,
    )


def build_norm(spec: NormSpec | LayerNormSpec, rank: int = 2, bias_attr: Any = None) -> nn.Layer:
    """The norm that `spec` describes, for maps over `rank` axes.

    Args:
        spec: a norm over the batch, or over the channels of each sample.
        rank: number of axes of the map.
        bias_attr: `paddle.ParamAttr` or initializer of the shift of a batch norm.

    Returns:
        (batch, channels, *map) to the same shape.

    Example:
        >>> tuple(build_norm(NormSpec(6))(paddle.rand([2, 6, 8, 9])).shape)
        (2, 6, 8, 9)
    """
    if isinstance(spec, LayerNormSpec):
        return ChannelNorm(spec.channels, epsilon=spec.eps)
    # Paddle's momentum is the weight of the old statistics.
    norm = BATCH_NORMS[rank - 1]
    momentum = 1 - spec.momentum
    return norm(spec.channels, momentum=momentum, epsilon=spec.eps, bias_attr=bias_attr)


def build_linear(spec: LinearSpec) -> nn.Linear:
    """A classifier that starts at normal(0, 0.01), as in MobileNetV2's published code.

    Returns:
        (batch, in) to (batch, out).

    Example:
        >>> tuple(build_linear(LinearSpec(6, 10))(paddle.rand([2, 6])).shape)
        (2, 10)
    """
    normal = ParamAttr(initializer=Normal(0.0, 0.01))
    zeros = ParamAttr(initializer=Constant(0.0)) if spec.bias else False
    return nn.Linear(spec.in_channels, spec.out_channels, weight_attr=normal, bias_attr=zeros)


def _started(attr: Attr, start: Initializer) -> ParamAttr:
    """What a user said of a parameter, with that start if the user said nothing of it."""
    found = copy(ParamAttr._to_attr(attr))
    found.initializer = found.initializer or start
    return found
