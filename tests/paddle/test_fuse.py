"""A batch norm folded into the dynamic convolution before it."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
from canonical import randomised
from paddle import nn

from odconv_paddle import ODConv2D, fuse


@pytest.mark.usefixtures("float64")
def test_channels_last():
    conv = randomised(ODConv2D(4, 6, 3, data_format="NHWC"))
    norm = randomised(nn.BatchNorm2D(6, data_format="NHWC"))
    conv.eval()
    norm.eval()
    x = paddle.randn([3, 9, 8, 4])
    fused = fuse(conv, norm)
    np.testing.assert_allclose(fused(x), norm(conv(x)), rtol=1e-9, atol=1e-11)
    assert not fused.training
    assert list(fused.state_dict())[:2] == ["weight", "bias"]


@pytest.mark.parametrize(
    ("norm", "message"),
    [
        (nn.LayerNorm(6), "norm: expected a BatchNorm1D, .* received LayerNorm"),
        (nn.BatchNorm2D(6, use_global_stats=False), "norm: expected one that uses running stat"),
        (nn.BatchNorm2D(6, data_format="NHWC"), "channels where data_format='NCHW'"),
    ],
    ids=["layer norm", "batch statistics", "format"],
)
def test_other_norms(norm, message):
    with pytest.raises(ValueError, match=message):
        fuse(ODConv2D(4, 6, 3), norm)
