"""The attributes by which code reads a convolution of Paddle, and the counters that do so."""

from __future__ import annotations

import copy

import numpy as np
import paddle
import pytest
from canonical import randomised
from paddle import nn

from odconv_paddle import CondConv2D, DyConv1D, DyConv2D, ODConv2D, ODConv3D, create_model

NAMES = (
    "in_channels",
    "out_channels",
    "kernel_size",
    "stride",
    "padding",
    "dilation",
    "groups",
    "padding_mode",
    "data_format",
)
KINDS = (ODConv2D, DyConv2D, CondConv2D)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"stride": 2, "padding": 1, "groups": 2},
        {"padding": [1, 2], "dilation": (2, 1), "data_format": "NHWC"},
        {"padding": [0, 1, 2, 3], "stride": [1, 2]},
    ],
)
@pytest.mark.parametrize("make", KINDS)
def test_they_are_those_of_paddle(make, arguments):
    ours, theirs = make(4, 6, (3, 2), **arguments), nn.Conv2D(4, 6, (3, 2), **arguments)
    for name in NAMES:
        expected = getattr(theirs, f"_{name}")
        assert getattr(ours, name) == getattr(ours, f"_{name}") == expected, name
        with pytest.raises(AttributeError):
            setattr(ours, name, expected)
        with pytest.raises(AttributeError):
            setattr(ours, f"_{name}", expected)


@pytest.mark.parametrize(
    ("layer", "padding"),
    [
        (DyConv1D(4, 6, 4, padding="SAME"), [1, 2]),
        (ODConv2D(4, 6, 3, padding="same", dilation=2), 2),
        (ODConv2D(4, 6, (3, 5), padding="same"), [1, 2]),
        (ODConv2D(4, 6, 3, padding="VALID"), 0),
        (ODConv3D(4, 6, 3, padding=[[0, 0], [0, 0], [0, 1], [2, 2], [1, 1]]), [0, 1, 2, 2, 1, 1]),
    ],
)
def test_paddings_are_numbers(layer, padding):
    assert layer.padding == padding


@pytest.mark.parametrize("make", KINDS)
def test_a_convolution_made_of_them_has_the_same_maps(make):
    """As code does that exchanges convolutions."""
    layer = copy.deepcopy(make(4, 6, (3, 2), 2, [0, 1, 2, 3], groups=2, bias_attr=False))
    conv = nn.Conv2D(
        layer._in_channels,
        layer._out_channels,
        layer._kernel_size,
        layer._stride,
        layer._padding,
        layer._dilation,
        layer._groups,
        bias_attr=layer._bias_attr,
        data_format=layer._data_format,
    )
    assert conv.bias is None
    x = paddle.randn([2, 4, 9, 8])
    twin = make.from_static(randomised(conv))
    np.testing.assert_allclose(twin(x), conv(x), rtol=1e-4, atol=1e-5)
    assert [getattr(twin, name) for name in NAMES] == [getattr(layer, name) for name in NAMES]


def test_a_summary_of_a_network(capsys):
    net = create_model("od_resnet18", stages=[[4, 1], [6, 1]], stem_channels=4, num_classes=3)
    counts = paddle.summary(net, (2, 3, 33, 36))
    assert counts["total_params"] >= counts["trainable_params"]
    assert counts["trainable_params"] == sum(p.size for p in net.parameters() if p.trainable)
    shown = capsys.readouterr().out
    assert "ODConv2D" in shown
    assert "Pointwise" in shown
