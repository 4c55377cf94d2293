"""Omni-dimensional dynamic convolution, https://openreview.net/forum?id=DmpCfq6Mg39.

Equation 2 of the paper, for one sample:

    y = (sum over i of  kernel_i * filter * channel * spatial * W_i)  convolved with  x

with the attentions of a sample shared by its kernels W_i, except for kernel_i. As in the published
code, `channel` scales the input and `filter` the output, which is the same.
"""

from __future__ import annotations

from odconv_spec import ODConvSpec
from parity_tests.reference.functional import conv, global_mean, relu, softmax
from parity_tests.reference.ops import sigmoid
from parity_tests.reference.scope import Scope
from parity_tests.reference.static import add_bias, norm, static_conv
from parity_tests.reference.tape import Value


def odconv(spec: ODConvSpec, x: Value, at: Scope) -> Value:
    """(batch, in, *space) to (batch, out, *positions); reports the attentions.

    An attention that the spec does not have is one, and is not reported.
    """
    attention = attentions(spec, x, at.under("attention"))
    at.attentions[at.path] = attention
    kernel = mixed(spec, at["weight"], attention) * attention.get("spatial", 1.0)
    y = conv(x * attention["channel"], kernel.reshape(-1, *spec.kernel_shape), spec)
    return add_bias(spec, y * attention.get("filter", 1.0), at)


def mixed(spec: ODConvSpec, kernels: Value, attention: dict[str, Value]) -> Value:
    """The weighted sum over axis 1 of (batch, kernel_num, out, in // groups, *kernel).

    The axis stays, with one element, so that the other attentions broadcast.
    """
    if "kernel" not in attention:
        return kernels
    weights = attention["kernel"].reshape(-1, spec.kernel_num)  # (batch, kernel_num)
    total = weights @ kernels.reshape(spec.kernel_num, -1)
    return total.reshape(-1, 1, *spec.kernel_shape)


def attentions(spec: ODConvSpec, x: Value, at: Scope) -> dict[str, Value]:
    """The attentions that the spec has, each in the shape in which it multiplies."""
    squeezed = static_conv(spec.trunk(), global_mean(x), at.under("fc"))
    hidden = relu(norm(squeezed, at.under("bn")))  # (batch, hidden, *ones)
    ones = (1,) * spec.rank
    shapes = {
        "channel": (spec.in_channels, *ones),
        "filter": (spec.out_channels, *ones),
        "spatial": (1, 1, 1, *spec.kernel),
        "kernel": (spec.kernel_num, 1, 1, *ones),
    }
    found = {}
    for head in spec.heads():
        name = head.removesuffix("_fc")
        logits = static_conv(spec.head(head), hidden, at.under(head)) / at.temperature
        scores = softmax(logits) if name == "kernel" else sigmoid(logits)
        found[name] = scores.reshape(-1, *shapes[name])
    return found
