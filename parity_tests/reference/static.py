"""The layers that are not dynamic."""

from __future__ import annotations

from odconv_spec import ConvSpec, LayerNormSpec, LinearSpec, NormSpec
from parity_tests.reference.functional import batch_norm, conv, linear, per_channel
from parity_tests.reference.scope import Scope
from parity_tests.reference.tape import Value


def static_conv(spec: ConvSpec, x: Value, at: Scope) -> Value:
    return add_bias(spec, conv(x, at["weight"], spec), at)


def add_bias(spec: ConvSpec, y: Value, at: Scope) -> Value:
    return y + per_channel(at["bias"], spec.rank) if spec.bias else y


def norm(x: Value, at: Scope, spec: NormSpec | None = None) -> Value:
    """Batch normalisation, by default the usual one; reports the running statistics."""
    spec = spec or NormSpec(x.shape[1])
    output, mean, variance = batch_norm(
        x,
        at["weight"],
        at["bias"],
        at["running_mean"].data,
        at["running_var"].data,
        training=at.training,
        eps=spec.eps,
        momentum=spec.momentum,
    )
    at.statistics[at.full("running_mean")] = mean
    at.statistics[at.full("running_var")] = variance
    return output


def layer_norm(x: Value, at: Scope) -> Value:
    """Each sample of x, (batch, channels, *ones), over its channels: arxiv.org/abs/1607.06450."""
    centred = x - x.mean((1,), keepdims=True)
    spread = (centred**2).mean((1,), keepdims=True) + LayerNormSpec.eps
    rank = len(x.shape) - 2
    scale, shift = per_channel(at["weight"], rank), per_channel(at["bias"], rank)
    return centred * spread**-0.5 * scale + shift


def linear_layer(spec: LinearSpec, x: Value, at: Scope) -> Value:
    """(batch, in, *ones) to (batch, out)."""
    bias = at["bias"] if spec.bias else Value(0.0)
    return linear(x.reshape(-1, spec.in_channels), at["weight"], bias)
