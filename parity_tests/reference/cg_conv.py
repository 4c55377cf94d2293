"""Context-gated convolution, https://arxiv.org/abs/1910.05577.

For one sample, with a gate for each output channel o, input channel c and tap:

    y = (sigmoid(left_c + right_o) * W_oc)  convolved with  x
"""

from __future__ import annotations

import numpy as np

from odconv_spec import CGConvSpec
from parity_tests.reference.functional import conv, relu
from parity_tests.reference.ops import sigmoid
from parity_tests.reference.scope import Scope
from parity_tests.reference.static import add_bias, norm, static_conv
from parity_tests.reference.tape import Array, Value


def cg_conv(spec: CGConvSpec, x: Value, at: Scope) -> Value:
    """(batch, in, *space) to (batch, out, *positions); reports the gate, (batch, out, in, *k)."""
    if not spec.gated:
        at.attentions[at.path] = {}
        return static_conv(spec, x, at)
    gate = gates(spec, x, at)
    at.attentions[at.path] = {"gate": gate}
    return add_bias(spec, conv(x, gate * at["weight"], spec), at)


def gates(spec: CGConvSpec, x: Value, at: Scope) -> Value:
    encoded = adaptive_mean(x, spec.kernel) @ at["ce.weight"].T  # (batch, in, latent)
    left = relu(norm(encoded, at.under("ce_bn"))) @ at["gd.weight"].T  # (batch, in, taps)
    active = relu(norm(encoded, at.under("ci_bn2")))
    groups = active.reshape(-1, spec.sixteens, spec.mixed, spec.latent)
    mixed = (at["ci.weight"] @ groups).reshape(-1, spec.out_channels, spec.latent)
    right = relu(norm(mixed, at.under("ci_bn"))) @ at["gd2.weight"].T  # (batch, out, taps)
    of_input = left.reshape(-1, 1, spec.in_channels, *spec.kernel)
    return sigmoid(of_input + right.reshape(-1, spec.out_channels, 1, *spec.kernel))


def adaptive_mean(x: Value, sizes: tuple[int, ...]) -> Value:
    """The means over as many windows along each axis, which overlap where they must.

    (batch, channels, *space) to (batch, channels, the product of the sizes).
    """
    batch, channels, *space = x.shape
    matrix: Array = np.ones((1, 1))
    for length, size in zip(space, sizes, strict=True):
        matrix = np.asarray(np.kron(matrix, window_means(length, size)), np.float64)
    return x.reshape(batch, channels, -1) @ matrix.T


def window_means(length: int, count: int) -> Array:
    """(count, length): window i is from floor(i * length / count) to ceil of the next one."""
    matrix = np.zeros((count, length))
    for index in range(count):
        start, stop = index * length // count, -(-(index + 1) * length // count)
        matrix[index, start:stop] = 1 / (stop - start)
    return matrix
