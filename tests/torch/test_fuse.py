"""A batch norm folded into the dynamic convolution before it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from odconv_torch import DyConv2d, ODConv2d, fuse


def test_the_statistics_are_used_in_training_mode_too():
    conv, norm = DyConv2d(4, 6, 3).double(), nn.BatchNorm2d(6).double()
    norm(torch.randn(2, 6, 5, 4, dtype=torch.float64))
    fused, x = fuse(conv, norm), torch.randn(2, 4, 8, 9, dtype=torch.float64)
    torch.testing.assert_close(fused(x), norm.eval()(conv(x)))


def test_dtypes_stay():
    fused = fuse(DyConv2d(4, 6, 3, dtype=torch.bfloat16), nn.BatchNorm2d(6))
    assert {p.dtype for p in fused.parameters()} == {torch.bfloat16}


@pytest.mark.parametrize(
    ("norm", "message"),
    [
        (nn.GroupNorm(2, 6), "norm: expected a torch.nn.BatchNorm, received GroupNorm"),
        (nn.BatchNorm2d(6, track_running_stats=False), "norm: expected running statistics"),
    ],
)
def test_other_norms(norm, message):
    with pytest.raises(ValueError, match=message):
        fuse(ODConv2d(4, 6, 3), norm)
