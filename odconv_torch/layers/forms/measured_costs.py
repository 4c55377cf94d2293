"""What a unit of work costs in PyTorch on a CPU, in nanoseconds.

Of two cores of an AMD EPYC with AVX2 and torch 2.13, for layers of ResNet and MobileNetV2 at batch
1, 8 and 32. From a fit as `python -m odconv_torch.calibrate` makes it, then rounded and moved to
where the forms that they choose take the least time together. Other machines differ most in the
ratio of arithmetic to memory; the command prints theirs.
"""

from __future__ import annotations

from odconv_torch.layers.forms.cost_model import Costs

INFERENCE = Costs(
    conv=0.0155,
    grouped=0.0185,
    sample=0.0195,
    product=0.0195,
    kernel=0.4,
    mixing=0.32,
    tile=0.19,
    column=3.3,
    output=0.45,
    scale=1.0,
    call=65_000,
    layer=750_000,
)
TRAINING = Costs(
    conv=0.0505,
    grouped=0.06,
    sample=0.06,
    product=0.0655,
    kernel=1.2,
    mixing=0.92,
    tile=0.624,
    column=5.3,
    output=1.6,
    scale=3.1,
    call=530_000,
    layer=1_600_000,
)
