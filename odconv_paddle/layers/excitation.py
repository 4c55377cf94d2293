"""What weight excitation makes of a weight (out, in // groups, *kernel), and the way back."""

from __future__ import annotations

from math import atanh, prod

import paddle
from paddle.nn.initializer import Initializer

from odconv_paddle.layers.differentiable import maximum
from odconv_paddle.layers.pointwise import Pointwise
from odconv_paddle.layers.recalibration import uniform
from odconv_spec.we_conv import EPSILON, MARGIN

_TINY = 1e-37  # in float32, above what counts as zero there


@paddle.jit.marker.unified  # to_static records the calls and leaves the source alone
class Excitation(Pointwise):
    """A layer of location-based excitation, which sees (filters, in, *ones).

    "published" starts as PyTorch's convolutions do, which the published code leaves as they are.

    Example:
        >>> spec = WEConvSpec(in_channels=32, out_channels=6, kernel_size=3)
        >>> tuple(Excitation(spec.fc1())(paddle.rand([6, 32, 1, 1])).shape)
        (6, 2, 1, 1)
    """

    def _starts(self) -> tuple[Initializer, Initializer]:
        if self.head_init != "published":
            return super()._starts()
        start = uniform(self.spec.in_channels)
        return start, start


def standardized(weight: paddle.Tensor) -> paddle.Tensor:
    """Each filter with mean zero and deviation one."""
    axes = list(range(1, weight.ndim))
    centred = weight - weight.mean(axes, keepdim=True)
    variance = centred.square().sum(axes, keepdim=True) / (prod(weight.shape[1:]) - 1)
    # The root of zero has no gradient.
    return centred / (variance.clip(min=_TINY).sqrt() + EPSILON)


def stretched(weight: paddle.Tensor) -> paddle.Tensor:
    """M * arctanh(weight / M) with M above the largest magnitude."""
    largest = maximum(weight.abs().reshape([-1]), 0)
    limit = (MARGIN * largest).clip(min=_TINY)  # a weight of zeros stays so
    ratio = weight / limit
    # Paddle differentiates its arctanh only once.
    return limit * 0.5 * (paddle.log(1 + ratio) - paddle.log(1 - ratio))


def unstretched(kernel: paddle.Tensor) -> paddle.Tensor:
    """The weight that `stretched` makes the kernel of."""
    limit = (kernel.abs().max() / atanh(1 / MARGIN)).clip(min=_TINY)
    return limit * paddle.tanh(kernel / limit)
