"""A batch norm folded into the dynamic convolution before it."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
from canonical import randomised
from paddle import nn

from odconv_paddle import (
    CondConv2D,
    DyConv1D,
    DyConv2D,
    ODConv2D,
    ODConv3D,
    fuse,
)
from odconv_paddle.layers import BatchNorm1D, BatchNorm2D, BatchNorm3D

PAIRS = {
    "od": (lambda: ODConv2D(4, 6, 3, 2, groups=2), lambda: BatchNorm2D(6)),
    "od bias": (lambda: ODConv2D(4, 6, 3, bias_attr=True), lambda: nn.BatchNorm2D(6)),
    "od own attentions": (
        lambda: ODConv2D(4, 6, 3, attention_sharing=False),
        lambda: BatchNorm2D(6, epsilon=0.1),
    ),
    "od 3d": (lambda: ODConv3D(4, 6, 2), lambda: BatchNorm3D(6)),
    "od last": (
        lambda: ODConv2D(4, 6, 3, data_format="NHWC"),
        lambda: BatchNorm2D(6, data_format="NHWC"),
    ),
    "dy": (lambda: DyConv2D(4, 6, 3), lambda: BatchNorm2D(6, weight_attr=False)),
    "dy no bias": (lambda: DyConv1D(4, 6, 3, bias_attr=False), lambda: BatchNorm1D(6)),
    "cond no bias": (lambda: CondConv2D(4, 6, 3, bias_attr=False), lambda: BatchNorm2D(6)),
    "cond offset": (
        lambda: CondConv2D(4, 6, 3, mix_bias=False),
        lambda: BatchNorm2D(6, bias_attr=False),
    ),
}


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", PAIRS)
def test_equals_the_norm_of_the_convolution(name):
    conv, norm = (randomised(make()) for make in PAIRS[name])
    conv.eval()
    norm.eval()
    conv.set_temperature(2.0)
    state = {key: value.numpy() for key, value in conv.state_dict().items()}
    x = paddle.randn([3, 4, *(9, 8, 7)[: conv.rank]])
    x = x.transpose([0, 2, 3, 1]) if name == "od last" else x
    fused = fuse(conv, norm)
    np.testing.assert_allclose(fused(x), norm(conv(x)), rtol=1e-6, atol=1e-6)
    assert type(fused) is type(conv)
    assert fused.spec.bias
    assert fused.bias.shape == list(fused.spec.bias_shape)
    assert list(fused.state_dict())[:2] == ["weight", "bias"]
    assert not fused.training
    for key, value in conv.state_dict().items():  # the convolution is left as it is
        np.testing.assert_array_equal(value, state[key])


@pytest.mark.parametrize(
    ("conv", "norm", "message"),
    [
        (nn.Conv2D(4, 6, 3), nn.BatchNorm2D(6), "conv: expected a dynamic convolution such as"),
        (ODConv2D(4, 6, 3), nn.LayerNorm(6), "norm: expected a BatchNorm1D, .* received LayerNorm"),
        (ODConv2D(4, 6, 3), nn.BatchNorm2D(4), "norm: expected 6 channels .*, received 4"),
        (
            ODConv2D(4, 6, 3),
            nn.BatchNorm2D(6, use_global_stats=False),
            "norm: expected one that uses running statistics",
        ),
        (
            ODConv2D(4, 6, 3),
            nn.BatchNorm2D(6, data_format="NHWC"),
            "norm: expected channels where data_format='NCHW'",
        ),
        (CondConv2D(4, 6, 3), nn.BatchNorm2D(6), "routing weights do not add up to one"),
    ],
    ids=["static", "layer norm", "channels", "batch statistics", "format", "mixed biases"],
)
def test_what_cannot_be_fused(conv, norm, message):
    with pytest.raises(ValueError, match=message):
        fuse(conv, norm)
