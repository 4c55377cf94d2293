"""The router of CondConv, its own or one for several layers."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
from canonical import LAYERS, randomised
from paddle import nn

from odconv_paddle import CondConv2D, Routing


def test_routing_is_stored_as_a_linear_layer_of_paddle():
    routing = CondConv2D(6, 5, 3, kernel_num=4).routing
    assert list(routing.state_dict()) == list(nn.Linear(6, 4).state_dict())
    assert not isinstance(routing, nn.Linear)
    assert routing.weight.shape == [6, 4]  # (in, out)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("options", [{}, {"mix_bias": False, "stride": 2}, {"bias_attr": False}])
def test_a_shared_router_mixes_as_an_own_one(rank, options):
    make = LAYERS["cond"][rank - 1]
    own = randomised(make(4, 8, 3, kernel_num=3, **options))
    shared = make(4, 8, 3, kernel_num=3, router="shared", **options)
    shared.set_state_dict(own.state_dict())
    x = paddle.randn([2, 4, *(7, 5, 6)[:rank]])
    np.testing.assert_allclose(shared(x, own.routing(x)), own(x), rtol=1e-12, atol=1e-12)


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
