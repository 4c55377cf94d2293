"""Arrays out of and into Paddle layers."""

from __future__ import annotations

import paddle
import pytest
from paddle import nn

from odconv_paddle import ODConv2D
from weights_converter import MismatchError, extract


def test_a_network_of_ones_own_with_our_layers():
    net = nn.Sequential(
        nn.Conv2D(3, 8, 3), nn.BatchNorm2D(8), ODConv2D(8, 8, 3), nn.Flatten(), nn.Linear(8, 2)
    )
    arrays = extract(net)
    assert arrays["2.weight"].shape == (4, 8, 8, 3, 3)
    assert arrays["4.weight"].shape == (2, 8)
    assert {name.partition(".")[0] for name in arrays} == {"0", "1", "2", "4"}


def test_what_counters_leave_in_a_live_model():
    net = nn.Sequential(nn.Conv2D(3, 8, 3), ODConv2D(8, 8, 3))
    expected = extract(net)
    for layer in net.sublayers(include_self=True):
        layer.register_buffer("total_ops", paddle.zeros([1], "int64"))
        layer.register_buffer("total_params", paddle.zeros([1], "int64"))
    assert extract(net).keys() == expected.keys()


def test_layers_without_a_canonical_form_are_named():
    net = nn.Sequential(ODConv2D(3, 4, 3), nn.Conv2DTranspose(4, 4, 2), nn.PReLU())
    with pytest.raises(MismatchError, match=r"3 arrays belong to layers without a canonical form"):
        extract(net)
