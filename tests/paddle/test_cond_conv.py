"""CondConv: its formula against a plain loop, own and shared routers, and starting values."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
from canonical import randomised
from paddle import nn
from paddle.nn import functional as F

from odconv_paddle import CondConv1D, CondConv2D, CondConv3D, Routing

CLASSES = (CondConv1D, CondConv2D, CondConv3D)
CONVS = (F.conv1d, F.conv2d, F.conv3d)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("router", ["own", "shared"])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"groups": 2, "stride": 2, "padding": 1, "mix_bias": False},
        {"groups": 4, "dilation": 2, "padding": 2, "kernel_num": 1},
        {"padding": "same", "kernel_num": 2, "bias_attr": False},
    ],
)
def test_each_sample_mixes_kernels_and_biases(rank, options, batch, router):
    layer = randomised(CLASSES[rank - 1](4, 8, 3, router=router, **options))
    x = paddle.randn([batch, 4, *(7, 5, 6)[:rank]])
    spec = layer.spec
    if router == "own":
        weights, found = layer.routing(x), layer(x)
    else:
        weights = paddle.rand([batch, spec.kernel_num])
        found = layer(x, weights)
    for i in range(batch):
        kernel = sum(weights[i, k] * layer.weight[k] for k in range(spec.kernel_num))
        bias = layer.bias
        if spec.bias and spec.mix_bias:
            bias = sum(weights[i, k] * layer.bias[k] for k in range(spec.kernel_num))
        pads = [side for pair in spec.pads for side in pair]
        y = CONVS[rank - 1](
            x[i : i + 1], kernel, bias, spec.strides, pads, spec.dilations, spec.groups
        )
        np.testing.assert_allclose(found[i], y[0], rtol=1e-12, atol=1e-12)


@pytest.mark.usefixtures("float64")
def test_routing_is_a_sigmoid_of_a_linear_layer_and_knows_no_temperature():
    layer = randomised(CondConv2D(6, 5, 3, kernel_num=4))
    x = paddle.randn([3, 6, 5, 7])
    logits = x.mean([2, 3]) @ layer.routing.weight + layer.routing.bias
    np.testing.assert_allclose(layer.routing(x), F.sigmoid(logits), rtol=1e-12)
    before = layer(x)
    layer.set_temperature(30.0)
    np.testing.assert_array_equal(layer(x), before)


def test_routing_is_stored_as_a_linear_layer_of_paddle():
    routing = CondConv2D(6, 5, 3, kernel_num=4).routing
    assert list(routing.state_dict()) == list(nn.Linear(6, 4).state_dict())
    assert not isinstance(routing, nn.Linear)
    assert routing.weight.shape == [6, 4]  # (in, out)


def test_bias_shapes():
    assert CondConv2D(4, 6, 3, kernel_num=3).bias.shape == [3, 6]
    assert CondConv2D(4, 6, 3, kernel_num=3, mix_bias=False).bias.shape == [6]
    assert CondConv2D(4, 6, 3, kernel_num=3, bias_attr=False).bias is None


def test_a_router_of_two_layers_learns_from_both():
    routing = Routing(4, 3)
    layers = [CondConv2D(4, 4, 3, kernel_num=3, router="shared") for _ in range(2)]
    assert all(layer.routing is None for layer in layers)
    x = paddle.randn([2, 4, 7, 8])
    weights = routing(x)
    layers[1](layers[0](x, weights), weights).square().sum().backward()
    assert routing.weight.grad.any()
    assert all(layer.weight.grad.any() for layer in layers)


@pytest.mark.parametrize(
    ("router", "routing", "message"),
    [
        ("own", [2, 8], r"routing: expected none.*received a tensor of the shape \[2, 8\]; make"),
        ("shared", None, r"routing: expected weights \(batch, 8\), received none; with router="),
        ("shared", [2, 4], r"expected weights \(batch, 8\), received the shape \[2, 4\]; with"),
        ("shared", [2, 8, 1, 1], r"expected weights \(batch, 8\), received the shape \[2, 8, 1, 1"),
    ],
)
def test_wrong_routing_weights(router, routing, message):
    layer = CondConv2D(4, 6, 3, router=router)
    x = paddle.randn([2, 4, 5, 6])
    with pytest.raises(ValueError, match=message):
        layer(x, None if routing is None else paddle.rand(routing))


@pytest.mark.parametrize("start", ["zero", "published"])
def test_starting_values(start):
    layer = CondConv2D(64, 256, 3, groups=2, kernel_num=16, head_init=start)
    for kernel in layer.weight.numpy():
        assert kernel.std() == pytest.approx((2 / (256 * 9)) ** 0.5, rel=0.02)
    weight = layer.routing.weight.numpy()
    bound = 0 if start == "zero" else (6 / (64 + 16)) ** 0.5
    assert abs(weight).max() == pytest.approx(bound, rel=0.02)
    assert weight.std() == pytest.approx(bound / 3**0.5, rel=0.05)
    assert not layer.routing.bias.any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"router": "none"}, "router: expected one of 'own', 'shared'"),
        ({"mix_bias": "yes"}, "mix_bias: expected True or False"),
        ({"head_init": "zeros"}, "head_init: expected one of 'zero', 'published'"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        CondConv2D(4, 6, 3, **options)


def test_wrong_options_of_a_router():
    with pytest.raises(ValueError, match="head_init: expected one of 'zero', 'published'"):
        Routing(4, 3, "zeros")
    with pytest.raises(ValueError, match="kernel_num: expected a whole number >= 1"):
        Routing(4, 0)
