"""What a unit of work costs in PyTorch on a CPU, in nanoseconds.

Measured by `python -m odconv_torch.calibrate` on two cores of an AMD EPYC with AVX2 and torch 2.13.
Other machines differ most in the ratio of arithmetic to memory; the same command prints theirs.
"""

from __future__ import annotations

from odconv_spec.cost import Costs

INFERENCE = Costs(
    conv=0.015,
    grouped=0.017,
    sample=0.019,
    product=0.019,
    kernel=1.5,
    mixing=0.05,
    tile=0.3,
    column=1.0,
    output=0.3,
    call=30_000,
)
TRAINING = Costs(
    conv=0.045,
    grouped=0.05,
    sample=0.055,
    product=0.055,
    kernel=5.0,
    mixing=0.3,
    tile=0.8,
    column=6.0,
    output=1.5,
    call=100_000,
)
