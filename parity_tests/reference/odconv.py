"""Omni-dimensional dynamic convolution, https://openreview.net/forum?id=DmpCfq6Mg39.

Equation 2 of the paper, for one sample:

    y = (sum over i of  kernel_i * filter_i * channel_i * spatial_i * W_i)  convolved with  x

As in the published code, `channel` scales the input and `filter` the output, which is the same, and
the kernels W_i share all attentions but kernel_i, unless the spec says otherwise.
"""

from __future__ import annotations

from odconv_spec import NormSpec, ODConvSpec
from parity_tests.reference.functional import conv, global_mean, relu, softmax
from parity_tests.reference.ops import element, sigmoid
from parity_tests.reference.scope import Scope
from parity_tests.reference.static import add_bias, layer_norm, norm, static_conv
from parity_tests.reference.tape import Value


def odconv(spec: ODConvSpec, x: Value, at: Scope) -> Value:
    """(batch, in, *space) to (batch, out, *positions); reports the attentions.

    An attention that the spec does not have is one, and is not reported.
    """
    attention = attentions(spec, x, at.under("attention")) if spec.heads() else {}
    at.attentions[at.path] = attention
    equation = shared if spec.attention_sharing else separate
    return add_bias(spec, equation(spec, x, at["weight"], attention), at)


def shared(spec: ODConvSpec, x: Value, kernels: Value, attention: dict[str, Value]) -> Value:
    """The kernels are mixed first: what they share stands before the sum."""
    kernel = mixed(spec, kernels, attention) * attention.get("spatial", 1.0)
    y = conv(x * attention.get("channel", 1.0), kernel.reshape(-1, *spec.kernel_shape), spec)
    return y * attention.get("filter", 1.0)


def separate(spec: ODConvSpec, x: Value, kernels: Value, attention: dict[str, Value]) -> Value:
    """One convolution for each kernel, as each has attentions of its own."""
    total = Value(0.0)
    for index in range(spec.kernel_num):
        own = {name: element(value, 1, index) for name, value in attention.items()}
        kernel = element(kernels, 0, index) * own.get("spatial", 1.0) * own.get("kernel", 1.0)
        y = conv(x * own.get("channel", 1.0), kernel.reshape(-1, *spec.kernel_shape), spec)
        total = total + y * own.get("filter", 1.0)
    return total


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
    hidden = relu(trunk_norm(spec, static_conv(spec.trunk(), global_mean(x), at.under("fc")), at))
    ones = (1,) * spec.rank
    each = () if spec.attention_sharing else (spec.kernel_num,)
    taps = (1, *spec.kernel) if spec.attention_sharing else spec.kernel
    shapes = {
        "channel": (*each, spec.in_channels, *ones),
        "filter": (*each, spec.out_channels, *ones),
        "spatial": (*each, 1, 1, *taps),
        "kernel": (spec.kernel_num, 1, 1, *ones),
    }
    found = {}
    for head in spec.heads():
        name = head.removesuffix("_fc")
        logits = static_conv(spec.head(head), hidden, at.under(head)) / at.temperature
        found[name] = scores(spec, name, logits).reshape(-1, *shapes[name])
    return found


def trunk_norm(spec: ODConvSpec, squeezed: Value, at: Scope) -> Value:
    named = spec.trunk_norm()
    if named is None:
        return squeezed
    apply = norm if isinstance(named[1], NormSpec) else layer_norm
    return apply(squeezed, at.under(named[0]))


def scores(spec: ODConvSpec, name: str, logits: Value) -> Value:
    if name == "kernel":
        return softmax(logits)
    if name == "spatial" and spec.spatial_activation == "softmax":
        return softmax(logits.reshape(logits.shape[0] * spec.copies, -1))  # over the taps
    return sigmoid(logits)
