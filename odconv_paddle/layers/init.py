"""Initial values, as in the published code."""

from __future__ import annotations

from math import prod

import paddle
from paddle.nn.initializer import Initializer, KaimingNormal

from odconv_spec import ConvSpec


def kaiming_normal(spec: ConvSpec) -> Initializer:
    """Kaiming normal over the fan-out of one kernel, also where a bank holds several of them.

    The fan-out is passed as `fan_in`: from a bank Paddle would infer a wrong one, and with
    mode="fan_out" it ignores the number that it is given.
    """
    return KaimingNormal(fan_in=spec.out_channels * prod(spec.kernel))


def refuse_lazy(array: paddle.Tensor, layer: str) -> None:
    """Raises ValueError under `paddle.LazyGuard`, which records how single arrays start.

    Args:
        array: one of the layer's, whose start follows from another draw.
        layer: what the message calls the layer.
    """
    if not array._is_initialized():
        raise ValueError(
            f"{layer}: expected to be made with values, received paddle.LazyGuard, under which its "
            "start cannot be computed; make the network without it"
        )
