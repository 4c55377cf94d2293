"""Folds a batch norm into the dynamic convolution before it."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import paddle
from paddle import nn
from paddle.nn.layer.norm import _BatchNormBase

from odconv_paddle.layers import DynamicConv
from odconv_spec import CondConvSpec


def fuse(conv: DynamicConv, norm: nn.Layer) -> DynamicConv:
    """A new layer that computes norm(conv(x)) as in inference.

    The scale of the running statistics goes into the kernels and the shift into the bias, which
    ODConv adds after its filter attention and DyConv mixes by weights that add up to one.

    Args:
        conv: an ODConv, DyConv or CondConv layer; it is left as it is.
        norm: a batch norm of its output that uses running statistics.

    Raises:
        ValueError: another kind of layer, other channels, no running statistics, or a CondConv
            with mixed biases: its routing weights do not add up to one, so that a shift that is
            mixed would no longer be the same for all samples.
    """
    scale, shift = _scale_and_shift(norm)
    _check(conv, norm)
    fused = copy.deepcopy(conv)
    constant: dict[str, Any] = {"mix_bias": False} if isinstance(conv.spec, CondConvSpec) else {}
    fused.spec = replace(conv.spec, bias=True, **constant)
    if fused.bias is None:
        fused.bias = fused.create_parameter(
            list(fused.spec.bias_shape), dtype=conv.weight.dtype, is_bias=True
        )
    with paddle.no_grad():
        rows = scale.reshape([-1, *[1] * (conv.weight.ndim - 2)])  # (out, 1, *ones)
        bias = shift if conv.bias is None else conv.bias.astype(scale.dtype) * scale + shift
        _set(fused.weight, conv.weight.astype(scale.dtype) * rows)
        _set(fused.bias, paddle.broadcast_to(bias, fused.bias.shape))
    return fused


def _check(conv: nn.Layer, norm: Any) -> None:
    if not isinstance(conv, DynamicConv):
        raise ValueError(
            f"conv: expected an ODConv, DyConv or CondConv layer, received {type(conv).__name__}"
        )
    spec = conv.spec
    if norm._num_features != spec.out_channels:
        raise ValueError(
            f"norm: expected {spec.out_channels} channels as the convolution gives, received "
            f"{norm._num_features}"
        )
    if norm._data_format.startswith("NC") != conv._data_format.startswith("NC"):
        raise ValueError(
            f"norm: expected channels where data_format={conv._data_format!r} of the convolution "
            f"has them, received data_format={norm._data_format!r}"
        )
    if isinstance(spec, CondConvSpec) and spec.bias and spec.mix_bias:
        raise ValueError(
            "conv: expected a CondConv without a bias or with mix_bias=False, received one with "
            "mixed biases; its routing weights do not add up to one, so they would scale the shift"
        )


@paddle.no_grad()
def _scale_and_shift(norm: nn.Layer) -> tuple[paddle.Tensor, paddle.Tensor]:
    """norm(y) = y * scale + shift in inference, both (channels,)."""
    if not isinstance(norm, _BatchNormBase):
        raise ValueError(
            "norm: expected a BatchNorm1D, BatchNorm2D or BatchNorm3D of paddle.nn, received "
            f"{type(norm).__name__}"
        )
    if norm._use_global_stats is False:
        raise ValueError(
            "norm: expected one that uses running statistics, received a batch norm with "
            "use_global_stats=False, which normalises by each batch also in inference"
        )
    scale = paddle.rsqrt(norm._variance + norm._epsilon)
    scale = scale if norm.weight is None else scale * norm.weight
    shift = -norm._mean * scale
    return scale, shift if norm.bias is None else shift + norm.bias


def _set(parameter: paddle.Tensor, value: paddle.Tensor) -> None:
    parameter.set_value(value.astype(parameter.dtype))
