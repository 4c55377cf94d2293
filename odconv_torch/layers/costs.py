"""What a unit of work costs in PyTorch on a CPU, in nanoseconds.

Measured by `python -m odconv_torch.calibrate` on two cores of an AMD EPYC with AVX2 and torch 2.13.
Other machines differ most in the ratio of arithmetic to memory; the same command prints theirs.
`scale` is younger than the others: of a few values, the one with which ResNet-18 and MobileNetV2
ran fastest.
"""

from __future__ import annotations

from odconv_spec.cost import Costs

INFERENCE = Costs(
    conv=0.0179,
    grouped=0.0201,
    sample=0.0192,
    product=0.0198,
    kernel=0.648,
    mixing=0.517,
    tile=0.296,
    column=1.55,
    output=2.32,
    scale=0.6,
    call=64_600,
    layer=969_000,
)
TRAINING = Costs(
    conv=0.058,
    grouped=0.0684,
    sample=0.0658,
    product=0.0708,
    kernel=4.33,
    mixing=1.05,
    tile=1.48,
    column=7.87,
    output=5.38,
    scale=1.5,
    call=655_000,
    layer=4_050_000,
)
