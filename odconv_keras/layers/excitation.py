"""What weight excitation makes of a weight (*kernel, in // groups, out), and the way back."""

from __future__ import annotations

from math import atanh, prod, sqrt
from typing import Any

import keras
from keras import ops

from odconv_keras.layers.pointwise import Pointwise
from odconv_keras.layers.pooling import largest
from odconv_keras.layers.precision import mean
from odconv_keras.layers.recalibration import uniform
from odconv_spec.we_conv import EPSILON, MARGIN

_TINY = 1e-37  # in float32, above what counts as zero there


@keras.saving.register_keras_serializable(package="odconv")
class Excitation(Pointwise):
    """A layer of location-based excitation, which sees (filters, *ones, in).

    "published" starts as PyTorch's convolutions do, which the published code leaves as they are.

    Example:
        >>> spec = WEConvSpec(in_channels=32, out_channels=6, kernel_size=3)
        >>> tuple(Excitation(spec.fc1())(keras.ops.ones((6, 1, 1, 32))).shape)
        (6, 1, 1, 2)
    """

    def _starts(self) -> tuple[Any, Any]:
        if self.head_init != "published":
            return super()._starts()
        bound = 1 / sqrt(self.spec.in_channels)
        return uniform(), keras.initializers.RandomUniform(-bound, bound)


def standardized(weight: Any) -> Any:
    """Each filter with mean zero and deviation one."""
    axes = tuple(range(len(weight.shape) - 1))
    centred = weight - mean(weight, axes, keepdims=True)
    total = ops.sum(ops.square(centred), axes, keepdims=True)
    variance = total / (prod(weight.shape[:-1]) - 1)
    # The root of zero has no gradient, and `ops.maximum` takes float64 for float32 on PyTorch.
    return centred / (ops.sqrt(variance + _TINY) + EPSILON)


def stretched(weight: Any) -> Any:
    """M * arctanh(weight / M) with M above the largest magnitude."""
    magnitude = largest(ops.reshape(ops.abs(weight), (-1,)), 0)
    limit = MARGIN * magnitude + _TINY  # a weight of zeros stays so
    ratio = weight / limit
    # `ops.arctanh` and `ops.tanh` take float64 for float32 on JAX.
    return limit * 0.5 * (ops.log(1 + ratio) - ops.log(1 - ratio))


def unstretched(kernel: Any) -> Any:
    """The weight that `stretched` makes the kernel of."""
    limit = ops.max(ops.abs(kernel)) / atanh(1 / MARGIN) + _TINY
    return limit * (2 * ops.sigmoid(2 * kernel / limit) - 1)
