"""Weight excitation: a convolution whose kernel is made of its weight, for no sample in particular.

The equations are those of
https://github.com/Ridwan230/pytorch-classification-weight-excitation, which is unofficial.
"""

from __future__ import annotations

from math import prod

from odconv_spec import WEConvSpec
from parity_tests.reference.functional import conv, relu
from parity_tests.reference.ops import absolute, largest, log, sigmoid
from parity_tests.reference.scope import Scope
from parity_tests.reference.static import add_bias, static_conv
from parity_tests.reference.tape import Value


def weconv(spec: WEConvSpec, x: Value, at: Scope) -> Value:
    return add_bias(spec, conv(x, excited_kernel(spec, at), spec), at)


def excited_kernel(spec: WEConvSpec, at: Scope) -> Value:
    """The kernel that meets the map, (out, in // groups, *kernel)."""
    w = at["weight"]
    w = standardized(w) if spec.standardize else w
    w = w * location(spec, w, at) if spec.location else w
    return stretched(w) if spec.magnitude else w


def standardized(w: Value) -> Value:
    axes = range(1, len(w.shape))
    centred = w - w.mean(axes, keepdims=True)
    unbiased = (centred**2).sum(axes, keepdims=True) / float(prod(w.shape[1:]) - 1)
    return centred / (unbiased**0.5 + 1e-5)


def location(spec: WEConvSpec, w: Value, at: Scope) -> Value:
    """LWE: a factor for each input channel of each filter, (out, in // groups, *ones)."""
    means = w.mean(range(2, len(w.shape)), keepdims=True)
    hidden = relu(static_conv(spec.fc1(), means, at.under("fc1")))
    return sigmoid(static_conv(spec.fc2(), hidden, at.under("fc2")))


def stretched(w: Value) -> Value:
    """MWE: M * arctanh(w / M)."""
    limit = largest(absolute(w).reshape(-1), axis=0) * 1.1
    ratio = w / limit
    return limit * (log(1.0 + ratio) - log(1.0 - ratio)) * 0.5
