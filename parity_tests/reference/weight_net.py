"""WeightNet, https://arxiv.org/abs/2007.11823: two layers make the kernel of each sample.

For one sample:  y = x convolved with  W_2 (sigmoid(W_1 z + b_1)),  where  z = R mean(x) + r
"""

from __future__ import annotations

from odconv_spec import ReduceSpec, WeightNetConvSpec
from parity_tests.reference.functional import conv, global_mean
from parity_tests.reference.ops import sigmoid
from parity_tests.reference.scope import Scope
from parity_tests.reference.static import add_bias, static_conv
from parity_tests.reference.tape import Value


def weight_net_conv(spec: WeightNetConvSpec, x: Value, at: Scope) -> Value:
    """(batch, in, *space) to (batch, out, *positions); reports the numbers and the kernels."""
    vector = at.of_block if spec.takes_shared else reduced(spec.reduce(), x, at.under("reduce"))
    numbers = sigmoid(static_conv(spec.fc1(), vector, at.under("wn_fc1")))
    kernels = static_conv(spec.fc2(), numbers, at.under("wn_fc2"))
    at.attentions[at.path] = {"activation": numbers, "kernel": kernels}
    return add_bias(spec, conv(x, kernels.reshape(-1, *spec.kernel_shape), spec), at)


def reduced(spec: ReduceSpec, x: Value, at: Scope) -> Value:
    """The vector that kernels are made of, (batch, out, *ones)."""
    return static_conv(spec.conv(), global_mean(x), at)
