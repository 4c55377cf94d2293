"""Folds a batch norm into the dynamic convolution before it."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from odconv_keras.layers import DynamicConv
from odconv_keras.layers.data_format import shape_of_any_size
from odconv_keras.layers.precision import at_least_single
from odconv_spec import CondConvSpec


def fuse(conv: DynamicConv, norm: keras.layers.BatchNormalization) -> DynamicConv:
    """A new layer that computes norm(conv(x)) as in inference.

    The scale of the running statistics goes into the kernels and the shift into the bias, which
    ODConv adds after its filter attention and DyConv mixes by weights that add up to one.

    Args:
        conv: a built ODConv, DyConv or CondConv layer; it is left as it is.
        norm: a built batch norm of its output, of Keras or of this package.

    Raises:
        ValueError: another kind of layer, other channels, an activation in between, or a CondConv
            with mixed biases: its routing weights do not add up to one, so that a shift that is
            mixed would no longer be the same for all samples.
    """
    _check(conv, norm)
    scale, shift = _scale_and_shift(norm)
    fused = _with_bias(conv)
    kernel = at_least_single(ops.convert_to_tensor(conv.kernel))
    fused.kernel.assign(kernel * scale)
    if conv.bias is not None:
        shift = at_least_single(ops.convert_to_tensor(conv.bias)) * scale + shift
    fused.bias.assign(ops.broadcast_to(shift, fused.bias.shape))
    own = 1 if conv.bias is None else 2
    for weight, source in zip(fused.weights[2:], conv.weights[own:], strict=True):
        weight.assign(source)  # those of the attention
    return fused


def _with_bias(conv: DynamicConv) -> Any:
    """A new layer like `conv`, built, that adds a bias which is the same for all samples."""
    changed: dict[str, Any] = {"use_bias": True}
    if isinstance(conv.spec, CondConvSpec):
        changed["mix_bias"] = False
    fused = type(conv).from_config(conv.get_config() | changed)
    fused.build(shape_of_any_size(conv.spec.in_channels, conv.rank, conv.data_format))
    return fused


def _scale_and_shift(norm: Any) -> tuple[Any, Any]:
    """norm(y) = y * scale + shift in inference, both (channels,)."""
    center, variance = (
        at_least_single(ops.convert_to_tensor(v)) for v in (norm.moving_mean, norm.moving_variance)
    )
    scale = ops.rsqrt(variance + norm.epsilon)
    scale = scale if norm.gamma is None else scale * ops.cast(norm.gamma, scale.dtype)
    shift = -center * scale
    return scale, shift if norm.beta is None else shift + ops.cast(norm.beta, scale.dtype)


def _check(conv: Any, norm: Any) -> None:
    if not isinstance(conv, DynamicConv):
        raise ValueError(
            f"conv: expected an ODConv, DyConv or CondConv layer, received {type(conv).__name__}"
        )
    if not isinstance(norm, keras.layers.BatchNormalization):
        raise ValueError(
            f"norm: expected a keras.layers.BatchNormalization, received {type(norm).__name__}"
        )
    for layer in (conv, norm):
        if not layer.built:
            raise ValueError(f"expected built layers, received {layer.name!r}, which is not")
    if conv.activation is not keras.activations.linear:
        raise ValueError(
            f"conv: expected no activation before the norm, received {conv.activation.__name__!r}"
        )
    _check_channels(conv, norm)
    if isinstance(conv.spec, CondConvSpec) and conv.use_bias and conv.spec.mix_bias:
        raise ValueError(
            "conv: expected a CondConv without a bias or with mix_bias=False, received one with "
            "mixed biases; its routing weights do not add up to one, so they would scale the shift"
        )


def _check_channels(conv: Any, norm: Any) -> None:
    channels, axes = norm.moving_mean.shape[0], conv.rank + 2
    if channels != conv.filters:
        raise ValueError(
            f"norm: expected {conv.filters} channels as the convolution gives, received {channels}"
        )
    axis = axes - 1 if conv.data_format == "channels_last" else 1
    if norm.axis % axes != axis:
        raise ValueError(
            f"norm: expected axis {axis} as the convolution has {conv.data_format}, received "
            f"{norm.axis}"
        )
