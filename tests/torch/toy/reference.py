"""What the toys compute, in NumPy and in 64 bits."""

from __future__ import annotations

from parity_tests.reference.functional import global_mean, linear, relu, softmax
from parity_tests.reference.layers import conv_norm
from parity_tests.reference.mixtures import mixture
from parity_tests.reference.networks import Network
from parity_tests.reference.scope import Scope
from parity_tests.reference.tape import Value
from toy.spec import ToyConvSpec, ToyNetSpec


def toy_conv(spec: ToyConvSpec, x: Value, at: Scope) -> Value:
    fc = at.under("gate.fc")
    pooled = global_mean(x).reshape(-1, spec.in_channels)
    return mixture(spec, x, softmax(linear(pooled, fc["weight"], fc["bias"]) / at.temperature), at)


def _features(spec: ToyNetSpec, x: Value, at: Scope) -> Value:
    x = relu(conv_norm(spec.stem, x, at, ("stem", "stem_norm")))
    for block in spec.blocks():
        x = relu(conv_norm(block.conv, x, at.under(block.name), ("mix", "norm")))
    return x


TOYNET = Network(_features, "head")
