"""A dynamic layer from a static convolution of Keras, with the same function at the start."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

import keras
from keras import ops

from odconv_keras.layers.precision import at_least_single, mean
from odconv_keras.layers.static_conv import StaticConv1D, StaticConv2D, StaticConv3D
from odconv_spec import ConvSpec

DEPTHWISE = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)
PLAIN = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D, *DEPTHWISE)
# What these layers compute with, to tell a subclass that computes something else.
_CALLS = frozenset(
    (layer.call, getattr(layer, "convolution_op", None))
    for layer in (*PLAIN, StaticConv1D, StaticConv2D, StaticConv3D)
)


def refusal(conv: Any) -> str | None:
    """Why no dynamic layer can be made of `conv`; None if one can."""
    name = type(conv).__name__
    if not isinstance(conv, PLAIN):
        return f"expected one of {', '.join(layer.__name__ for layer in PLAIN)}, received {name}"
    if (type(conv).call, getattr(type(conv), "convolution_op", None)) not in _CALLS:
        return f"expected a convolution of Keras, received {name}, which computes in its own way"
    if not conv.built:
        return f"expected a built convolution, received {conv.name!r}: call it, or its build()"
    for weight in ("kernel", "depthwise", "bias"):
        if getattr(conv, f"{weight}_constraint", None) is not None:
            return (
                f"{weight}_constraint: expected None, received that of {conv.name!r}, "
                "which kernels over their gain would not meet"
            )
    return None


def static_spec(conv: Any) -> ConvSpec:
    """The spec of a static convolution of Keras. A depthwise one has a group for each channel."""
    *_, inputs, outputs = conv.kernel.shape
    depthwise = isinstance(conv, DEPTHWISE)
    groups = inputs if depthwise else conv.groups
    return ConvSpec(
        in_channels=inputs if depthwise else inputs * groups,
        out_channels=inputs * outputs if depthwise else outputs,
        kernel_size=tuple(conv.kernel_size),
        stride=tuple(conv.strides),
        padding=_padding(conv),
        dilation=tuple(conv.dilation_rate),
        groups=groups,
        bias=conv.use_bias,
        rank=conv.rank,
    )


def layer_like(kind: Any, conv: Any, options: Mapping[str, Any]) -> Any:
    """A layer of class `kind`, not built yet, with the geometry of `conv`.

    Raises:
        ValueError: `conv` is no plain convolution of as many axes, or an option is unknown.
    """
    if reason := refusal(conv):
        raise ValueError(f"{kind.__name__}.from_static: {reason}")
    if conv.rank != kind.rank:
        raise ValueError(
            f"{kind.__name__}.from_static: expected a convolution over {kind.rank} axes, received "
            f"{type(conv).__name__}"
        )
    accepted = {*kind.option_names(), "name"}
    if unknown := sorted(set(options) - accepted):
        raise ValueError(f"{kind.__name__} has the options {sorted(accepted)}; received {unknown}")
    spec = static_spec(conv)
    weight = "depthwise" if isinstance(conv, DEPTHWISE) else "kernel"
    return kind(
        filters=spec.out_channels,
        kernel_size=spec.kernel,
        strides=spec.strides,
        padding=_padding(conv),
        data_format=conv.data_format,
        dilation_rate=spec.dilations,
        groups=spec.groups,
        activation=conv.activation,
        use_bias=spec.bias,
        kernel_regularizer=getattr(conv, f"{weight}_regularizer"),
        bias_regularizer=conv.bias_regularizer,
        activity_regularizer=conv.activity_regularizer,
        dtype=conv.dtype_policy,
        trainable=conv.trainable,
        **{"name": conv.name, **options},
    )


def copy_function(layer: Any, conv: Any, noise: float) -> None:
    """Gives `layer`, which is built and whose heads are zero, the function of `conv`.

    Args:
        layer: a dynamic convolution with the geometry of `conv`.
        conv: a plain convolution of Keras.
        noise: see `DynamicConv.from_static`.

    Raises:
        ValueError: `noise` is negative or no finite number.
    """
    if not (isfinite(noise) and noise >= 0):
        raise ValueError(f"noise: expected a number >= 0, received {noise!r}")
    spec = layer.spec
    kernel = at_least_single(ops.convert_to_tensor(conv.kernel))
    kernel = ops.reshape(kernel, layer.kernel.shape[1:])  # depthwise: (*kernel, in, multiplier)
    spread = noise * ops.sqrt(_mean(ops.square(kernel - _mean(kernel))))
    draws = keras.random.normal(layer.kernel.shape, dtype=kernel.dtype)
    draws = draws - mean(draws, [0], keepdims=True)  # they leave the mixture as it is
    layer.kernel.assign((kernel + spread * draws) / spec.start_gain)
    if conv.use_bias:
        bias = at_least_single(ops.convert_to_tensor(conv.bias))
        gain = spec.start_gain if spec.mixes_biases else 1.0
        layer.bias.assign(ops.broadcast_to(bias / gain, layer.bias.shape))


def _mean(x: Any) -> Any:
    return mean(x, tuple(range(len(x.shape))))


def _padding(conv: Any) -> Any:
    if conv.padding == "causal":  # of Conv1D alone
        return ((conv.dilation_rate[0] * (conv.kernel_size[0] - 1), 0),)
    return conv.padding
