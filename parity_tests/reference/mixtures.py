"""The dynamic convolutions that mix kernels and biases by one weight for each of them.

For one sample:  y = (sum over k of  w_k * W_k)  convolved with  x  +  sum over k of  w_k * b_k
"""

from __future__ import annotations

from odconv_spec import CondConvSpec, DyConvSpec, KernelBankSpec, RoutingSpec
from parity_tests.reference.functional import conv, global_mean, linear, relu, softmax
from parity_tests.reference.ops import sigmoid
from parity_tests.reference.scope import Scope
from parity_tests.reference.static import add_bias, static_conv
from parity_tests.reference.tape import Value


def dyconv(spec: DyConvSpec, x: Value, at: Scope) -> Value:
    """https://arxiv.org/abs/1912.03458: a softmax over two layers on the mean over space."""
    attention = at.under("attention")
    hidden = relu(static_conv(spec.fc1(), global_mean(x), attention.under("fc1")))
    logits = static_conv(spec.fc2(), hidden, attention.under("fc2")) / at.temperature
    return mixture(spec, x, softmax(logits).reshape(-1, spec.kernel_num), at)


def condconv(spec: CondConvSpec, x: Value, at: Scope) -> Value:
    """https://arxiv.org/abs/1904.04971: the weights come from the layer's router or its block's."""
    own = spec.router == "own"
    weights = route(spec.routing(), x, at.under("routing")) if own else at.of_block
    return mixture(spec, x, weights, at)


def route(spec: RoutingSpec, x: Value, at: Scope) -> Value:
    """Routing weights, (batch, kernel_num): a sigmoid of one layer on the mean over space."""
    pooled = global_mean(x).reshape(-1, spec.in_channels)
    return sigmoid(linear(pooled, at["weight"], at["bias"]))


def mixture(spec: KernelBankSpec, x: Value, weights: Value, at: Scope) -> Value:
    """(batch, in, *space) to (batch, out, *positions); reports the weights, (batch, kernel_num)."""
    at.attentions[at.path] = {"kernel": weights}
    bank = at["weight"].reshape(spec.kernel_num, -1)
    y = conv(x, (weights @ bank).reshape(-1, *spec.kernel_shape), spec)
    if not (spec.bias and spec.mixes_biases):
        return add_bias(spec, y, at)
    return y + (weights @ at["bias"]).reshape(-1, spec.out_channels, *(1,) * spec.rank)
