"""The published formulation in PaddlePaddle, where nobody published one: as in PyTorch."""

from __future__ import annotations

from functools import reduce
from operator import mul
from types import MappingProxyType
from typing import Any

import paddle
from paddle import nn
from paddle.nn import functional as F

from benchmarks.published.options import check, sides
from odconv_paddle.layers.dynamic import DynamicConv
from odconv_spec import CondConvSpec, DyConvSpec, DynamicConvSpec, ODConvSpec


def publish(model: nn.Layer) -> None:
    """Makes every dynamic convolution in `model`, or `model` itself, compute as published.

    Raises:
        ValueError: a layer has an option that the published code does not know.
    """
    for layer in model.sublayers(include_self=True):
        if isinstance(layer, DynamicConv):
            check(layer.spec)
            ours = type(layer)
            own = {"forward": _FORWARD[type(layer.spec)]}
            layer.__class__ = type(f"Published{ours.__name__}", (ours,), own)


def od_conv(
    x: paddle.Tensor, weight: paddle.Tensor, attentions: Any, spec: DynamicConvSpec
) -> paddle.Tensor:
    """Scaled kernels of each sample, (batch, kernel_num, out, in // groups, *kernel), summed up."""
    channel, filters, spatial, kernel = attentions
    batch, factors = x.shape[0], []
    if channel is not None:
        x = x * channel.reshape([batch, -1, 1, 1])
    if spatial is not None:
        factors.append(spatial.reshape([batch, 1, 1, 1, *spec.kernel]))
    if kernel is not None:
        factors.append(kernel.reshape([batch, -1, 1, 1, 1, 1]))
    if factors:
        # (batch, kernel_num, out, in // groups, *kernel)
        scaled = reduce(mul, (*factors, weight))
        y = conv_by_groups(x, scaled.sum(axis=1), None, spec)
    else:
        y = F.conv2d(x, weight[0], None, *_geometry(spec), spec.groups)
    return y if filters is None else y * filters.reshape([batch, -1, 1, 1])


def mixed_conv(
    x: paddle.Tensor,
    weight: paddle.Tensor,
    mixing: paddle.Tensor,
    bias: paddle.Tensor | None,
    spec: DynamicConvSpec,
) -> paddle.Tensor:
    """DyConv and CondConv: kernels, and biases if they have several, by a matrix product."""
    kernels = paddle.mm(mixing, weight.reshape([weight.shape[0], -1]))
    kernels = kernels.reshape([-1, *spec.kernel_shape])  # (batch, out, in // groups, *kernel)
    if bias is not None:
        bias = paddle.mm(mixing, bias) if bias.ndim == 2 else bias.expand([x.shape[0], -1])
    return conv_by_groups(x, kernels, bias, spec)


def conv_by_groups(
    x: paddle.Tensor, kernels: paddle.Tensor, bias: paddle.Tensor | None, spec: DynamicConvSpec
) -> paddle.Tensor:
    """One convolution in which each sample is a group, or several."""
    batch = x.shape[0]
    y = F.conv2d(
        x.reshape([1, -1, *x.shape[2:]]),
        kernels.reshape([-1, *kernels.shape[2:]]),
        None if bias is None else bias.reshape([-1]),
        *_geometry(spec),
        batch * spec.groups,
    )  # (1, batch * out, *map)
    return y.reshape([batch, -1, *y.shape[2:]])


def _geometry(spec: DynamicConvSpec) -> tuple[list[int], list[int], list[int]]:
    """Stride, padding and dilation."""
    return list(spec.strides), sides(spec), list(spec.dilations)


def _od_forward(layer: Any, x: paddle.Tensor) -> paddle.Tensor:
    y = od_conv(x, layer.weight, layer.attention(x), layer.spec)
    return y if layer.bias is None else y + layer.bias.reshape([-1, 1, 1])


def _dy_forward(layer: Any, x: paddle.Tensor) -> paddle.Tensor:
    return mixed_conv(x, layer.weight, layer.attention(x), layer.bias, layer.spec)


def _cond_forward(
    layer: Any, x: paddle.Tensor, routing: paddle.Tensor | None = None
) -> paddle.Tensor:
    mixing: Any = routing if layer.routing is None else layer.routing(x)
    return mixed_conv(x, layer.weight, mixing, layer.bias, layer.spec)


_FORWARD = MappingProxyType(
    {ODConvSpec: _od_forward, DyConvSpec: _dy_forward, CondConvSpec: _cond_forward}
)
