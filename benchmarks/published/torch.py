"""The published formulation in PyTorch.

ODConv: https://github.com/OSVAI/ODConv/blob/main/modules/odconv.py, `_forward_impl_common` and
`_forward_impl_pw1x`. CondConv: timm's `CondConv2d`, which the circulating code of DyConv is like.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from operator import mul
from types import MappingProxyType
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.published import torch_methods
from benchmarks.published.options import check, sides
from odconv_spec import CondConvSpec, DyConvSpec, DynamicConvSpec, ODConvSpec
from odconv_torch.layers import DynamicConv, Recalibration


def publish(model: nn.Module) -> None:
    """Makes every layer of ours in `model`, or `model` itself, compute as published.

    Raises:
        ValueError: a layer has an option that the published code does not know.
    """
    for layer in model.modules():
        if isinstance(layer, (DynamicConv, Recalibration)):
            check(layer.spec)
            ours = type(layer)
            own = {"forward": FORWARD[type(layer.spec)]}
            layer.__class__ = type(f"Published{ours.__name__}", (ours,), own)


def od_conv(
    x: torch.Tensor, weight: torch.Tensor, attentions: Any, spec: DynamicConvSpec
) -> torch.Tensor:
    """Scaled kernels of each sample, (batch, kernel_num, out, in // groups, *kernel), summed up."""
    # Ours are float32 in a network of a shorter type.
    channel, filters, spatial, kernel = (a if a is None else a.to(x.dtype) for a in attentions)
    batch, factors = x.shape[0], []
    if channel is not None:
        x = x * channel.reshape(batch, -1, 1, 1)
    if spatial is not None:
        factors.append(spatial.reshape(batch, 1, 1, 1, *spec.kernel))
    if kernel is not None:
        factors.append(kernel.reshape(batch, -1, 1, 1, 1, 1))
    if factors:
        # (batch, kernel_num, out, in // groups, *kernel)
        scaled = reduce(mul, (*factors, weight))
        y = conv_by_groups(x, scaled.sum(dim=1), None, spec)
    else:
        y = F.conv2d(x, weight[0], None, spec.strides, sides(spec), spec.dilations, spec.groups)
    return y if filters is None else y * filters.reshape(batch, -1, 1, 1)


def mixed_conv(
    x: torch.Tensor,
    weight: torch.Tensor,
    mixing: torch.Tensor,
    bias: torch.Tensor | None,
    spec: DynamicConvSpec,
) -> torch.Tensor:
    """DyConv and CondConv: kernels, and biases if they have several, by a matrix product."""
    mixing = mixing.to(x.dtype)
    kernels = torch.mm(mixing, weight.reshape(weight.shape[0], -1))
    kernels = kernels.reshape(-1, *spec.kernel_shape)  # (batch, out, in // groups, *kernel)
    if bias is not None:
        bias = torch.mm(mixing, bias) if bias.dim() == 2 else bias.expand(x.shape[0], -1)
    return conv_by_groups(x, kernels, bias, spec)


def conv_by_groups(
    x: torch.Tensor, kernels: torch.Tensor, bias: torch.Tensor | None, spec: DynamicConvSpec
) -> torch.Tensor:
    """One convolution in which each sample is a group, or several."""
    batch = x.shape[0]
    y = F.conv2d(
        x.reshape(1, -1, *x.shape[2:]),
        kernels.reshape(-1, *kernels.shape[2:]),
        None if bias is None else bias.reshape(-1),
        spec.strides,
        sides(spec),
        spec.dilations,
        batch * spec.groups,
    )  # (1, batch * out, *map)
    return y.reshape(batch, -1, *y.shape[2:])


def _od_forward(layer: Any, x: torch.Tensor) -> torch.Tensor:
    y = od_conv(x, layer.weight, layer.attention(x), layer.spec)
    return y if layer.bias is None else y + layer.bias.reshape(-1, 1, 1)


def _dy_forward(layer: Any, x: torch.Tensor) -> torch.Tensor:
    return mixed_conv(x, layer.weight, layer.attention(x), layer.bias, layer.spec)


def _cond_forward(layer: Any, x: torch.Tensor, routing: torch.Tensor | None = None) -> torch.Tensor:
    mixing: Any = routing if layer.routing is None else layer.routing(x)
    return mixed_conv(x, layer.weight, mixing, layer.bias, layer.spec)


FORWARD: Mapping[type, Callable[..., torch.Tensor]] = MappingProxyType(
    {
        ODConvSpec: _od_forward,
        DyConvSpec: _dy_forward,
        CondConvSpec: _cond_forward,
        **torch_methods.FORWARD,
    }
)
"""Spec -> the forward of a layer of that kind."""
