"""Layers that scale a map, (batch, channels, *space), by factors that they compute from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from odconv_spec import (
    CBAMSpec,
    EfficientChannelAttentionSpec,
    RecalibrationSpec,
    SqueezeExcitationSpec,
)
from parity_tests.reference.functional import global_max, global_mean, relu
from parity_tests.reference.ops import largest, pad, sigmoid
from parity_tests.reference.scope import Scope
from parity_tests.reference.static import norm, static_conv
from parity_tests.reference.tape import Value


def recalibrate(spec: RecalibrationSpec, x: Value, at: Scope) -> Value:
    """The map times its factors, which are reported."""
    return FUNCTIONS[type(spec)](spec, x, at)


def squeeze_excitation(spec: SqueezeExcitationSpec, x: Value, at: Scope) -> Value:
    """https://arxiv.org/abs/1709.01507: a sigmoid of two layers on the mean over space."""
    channel = sigmoid(two_layers(spec.bias, global_mean(x), at, ("fc.0", "fc.2")))
    channel = beside(x, channel)
    at.attentions[at.path] = {"channel": channel}
    return x * channel


def cbam(spec: CBAMSpec, x: Value, at: Scope) -> Value:
    """https://arxiv.org/abs/1807.06521: factors of the channels, then of the positions."""
    names = ("ChannelGate.mlp.1", "ChannelGate.mlp.3")
    means, maxima = (
        two_layers(spec.mlp_bias, pool(x), at, names) for pool in (global_mean, global_max)
    )
    channel = beside(x, sigmoid(means + maxima))
    at.attentions[at.path] = {"channel": channel}
    return spatial_gate(spec, x * channel, at) if spec.spatial else x * channel


def spatial_gate(spec: CBAMSpec, x: Value, at: Scope) -> Value:
    """The maximum and the mean over the channels, in this order, through a convolution."""
    gate = at.under("SpatialGate.spatial")
    batch, _, *space = x.shape
    none = [(0, 0)] * spec.rank
    maximum = pad(largest(x, axis=1).reshape(batch, 1, *space), [(0, 1), *none])
    mean = pad(x.mean((1,), keepdims=True), [(1, 0), *none])  # (batch, 2, *space)
    y = static_conv(spec.spatial_conv(), maximum + mean, gate.under("conv"))
    spatial = sigmoid(norm(y, gate.under("bn"), spec.spatial_norm()))
    at.attentions[at.path]["spatial"] = spatial
    return x * spatial


def efficient_channel_attention(spec: EfficientChannelAttentionSpec, x: Value, at: Scope) -> Value:
    """https://arxiv.org/abs/1910.03151: a convolution along the channels' means."""
    sequence = global_mean(x).reshape(-1, 1, x.shape[1])  # (batch, 1, channels)
    channel = beside(x, sigmoid(static_conv(spec.conv(), sequence, at.under("conv"))))
    at.attentions[at.path] = {"channel": channel}
    return x * channel


def two_layers(bias: bool, pooled: Value, at: Scope, names: tuple[str, str]) -> Value:
    """Two linear layers with a ReLU between, of (batch, channels, *ones): (batch, channels)."""
    first, second = (at.under(name) for name in names)
    hidden = pooled.reshape(*pooled.shape[:2]) @ first["weight"].T
    y = relu(hidden + first["bias"] if bias else hidden) @ second["weight"].T
    return y + second["bias"] if bias else y


def beside(x: Value, factors: Value) -> Value:
    """(batch, channels, *ones), as it multiplies the map."""
    return factors.reshape(*x.shape[:2], *(1 for _ in x.shape[2:]))


FUNCTIONS: Final[Mapping[type[RecalibrationSpec], Callable[[Any, Value, Scope], Value]]] = {
    SqueezeExcitationSpec: squeeze_excitation,
    CBAMSpec: cbam,
    EfficientChannelAttentionSpec: efficient_channel_attention,
}
