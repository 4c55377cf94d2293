"""Initial values, as in the published code."""

from __future__ import annotations

from math import prod

from paddle.nn.initializer import Initializer, KaimingNormal

from odconv_spec import ConvSpec


def kaiming_normal(spec: ConvSpec) -> Initializer:
    """Kaiming normal over the fan-out of one kernel, also where a bank holds several of them.

    The fan-out is passed as `fan_in`: from a bank Paddle would infer a wrong one, and with
    mode="fan_out" it ignores the number that it is given.
    """
    return KaimingNormal(fan_in=spec.out_channels * prod(spec.kernel))
