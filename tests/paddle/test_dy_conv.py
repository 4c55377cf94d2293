"""DyConv: its formula against a plain loop, its options, and its starting values."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
from canonical import randomised
from paddle.nn import functional as F

from odconv_paddle import DyConv1D, DyConv2D, DyConv3D

CLASSES = (DyConv1D, DyConv2D, DyConv3D)
CONVS = (F.conv1d, F.conv2d, F.conv3d)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"groups": 2, "stride": 2, "padding": 1, "fc1_bias": True},
        {"groups": 4, "dilation": 2, "padding": 2, "kernel_num": 1, "fc2_bias": False},
        {"padding": "same", "kernel_num": 2, "bias_attr": False, "hidden_channels": 3},
    ],
)
def test_each_sample_mixes_kernels_and_biases(rank, options, batch):
    layer = randomised(CLASSES[rank - 1](4, 8, 3, **options))
    layer.set_temperature(1.7)
    x = paddle.randn([batch, 4, *(7, 5, 6)[:rank]])
    spec, shares = layer.spec, layer.attention(x)
    np.testing.assert_allclose(shares.sum(1), np.ones(batch), rtol=1e-12)
    for i in range(batch):
        kernel = sum(shares[i, k] * layer.weight[k] for k in range(spec.kernel_num))
        bias = None
        if spec.bias:
            bias = sum(shares[i, k] * layer.bias[k] for k in range(spec.kernel_num))
        pads = [side for pair in spec.pads for side in pair]
        y = CONVS[rank - 1](
            x[i : i + 1], kernel, bias, spec.strides, pads, spec.dilations, spec.groups
        )
        np.testing.assert_allclose(layer(x)[i], y[0], rtol=1e-12, atol=1e-12)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("biases", [(False, True), (True, False)])
def test_attention_is_two_layers_and_a_softmax(biases):
    layer = randomised(DyConv2D(8, 5, 3, fc1_bias=biases[0], fc2_bias=biases[1]))
    layer.set_temperature(2.5)
    fc1, fc2 = layer.attention.fc1, layer.attention.fc2
    assert (fc1.bias is not None, fc2.bias is not None) == biases
    x = paddle.randn([3, 8, 5, 7])
    hidden = x.mean([2, 3]) @ fc1.weight.flatten(1).T + (0 if fc1.bias is None else fc1.bias)
    logits = F.relu(hidden) @ fc2.weight.flatten(1).T + (0 if fc2.bias is None else fc2.bias)
    expected = F.softmax(logits / 2.5, 1)
    np.testing.assert_allclose(layer.attention(x), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("in_channels", "options", "width"),
    [
        (16, {}, 4),
        (3, {}, 1),
        (16, {"reduction": 0.5}, 8),
        (16, {"hidden_rule": "plus_one"}, 5),
        (3, {"hidden_rule": "plus_one", "kernel_num": 6}, 6),
        (16, {"hidden_rule": "plus_one", "hidden_channels": 7}, 7),
    ],
)
def test_hidden_width(in_channels, options, width):
    assert DyConv2D(in_channels, 4, 3, **options).attention.fc1.weight.shape[0] == width


@pytest.mark.parametrize("start", ["zero", "published"])
def test_starting_values(start):
    layer = DyConv2D(256, 128, 3, groups=2, kernel_num=32, head_init=start)
    for kernel in layer.weight.numpy():
        assert kernel.std() == pytest.approx((2 / (128 * 9)) ** 0.5, rel=0.02)
    assert layer.bias.shape == [32, 128]
    assert not layer.bias.any()
    attention = layer.attention
    assert attention.fc1.weight.numpy().std() == pytest.approx((2 / 64) ** 0.5, rel=0.05)
    expected = 0 if start == "zero" else pytest.approx((2 / 32) ** 0.5, rel=0.05)
    assert attention.fc2.weight.numpy().std() == expected
    assert not attention.fc2.bias.any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden_rule": "half"}, "hidden_rule: expected one of 'paper', 'plus_one'"),
        ({"hidden_channels": 0}, "hidden_channels: expected a whole number >= 1"),
        ({"fc1_bias": None}, "fc1_bias: expected True or False"),
        ({"reduction": 1.5}, "reduction: expected a number"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        DyConv2D(4, 6, 3, **options)
