"""Dynamic layers that start with the function of a static convolution."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
from canonical import randomised
from paddle import nn

from odconv_paddle import CondConv2D, DyConv2D, ODConv2D


@pytest.mark.usefixtures("float64")
def test_paddle_ignores_the_dilation_beside_same():
    conv = randomised(nn.Conv2D(4, 4, 4, dilation=2, padding="SAME"))
    x = paddle.randn([3, 4, 9, 8])
    np.testing.assert_allclose(ODConv2D.from_static(conv)(x), conv(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("make", [ODConv2D, DyConv2D, CondConv2D])
@pytest.mark.parametrize("training", [True, False])
def test_what_is_taken_over(make, training):
    padding = [[0, 0], [1, 2], [0, 3], [0, 0]]
    conv = randomised(nn.Conv2D(4, 6, (3, 2), (2, 1), padding, data_format="NHWC"))
    conv.to(dtype="float64")
    conv.train() if training else conv.eval()
    layer = make.from_static(conv)
    assert layer.training == training
    assert all(s.training == training for s in layer.sublayers())
    assert {p.dtype for p in layer.parameters()} == {paddle.float64}
    assert layer.weight.place == conv.weight.place
    assert layer.spec.pads == ((1, 2), (0, 3))
    x = paddle.randn([2, 7, 8, 4], "float64")
    np.testing.assert_allclose(layer(x), conv(x), rtol=1e-12, atol=1e-12)
    assert make.from_static(nn.Conv2D(4, 6, 3, bias_attr=False)).bias is None


def test_a_shared_router_starts_at_a_half():
    conv = randomised(nn.Conv2D(4, 6, 3))
    layer = CondConv2D.from_static(conv, router="shared", kernel_num=4)
    x = paddle.randn([2, 4, 6, 7])
    np.testing.assert_allclose(layer(x, paddle.full([2, 4], 0.5)), conv(x), rtol=1e-5, atol=1e-5)


class Own(nn.Conv2D):
    def forward(self, x):
        return super().forward(x) * 2


class Plain(nn.Conv2D):
    pass


def test_a_subclass_with_the_forward_of_its_base_is_plain():
    assert ODConv2D.from_static(Plain(4, 6, 3)).weight.shape == [4, 6, 4, 3, 3]


def hooked():
    conv = nn.Conv2D(4, 6, 3)
    conv.register_forward_post_hook(lambda layer, x, y: y + 1)
    return conv


def lazy():
    with paddle.LazyGuard():
        return nn.Conv2D(4, 6, 3)


@pytest.mark.parametrize(
    ("conv", "message"),
    [
        (nn.Conv2DTranspose(4, 6, 3), "with the forward of its class, received Conv2DTranspose"),
        (Own(4, 6, 3), "with the forward of its class, received Own"),
        (nn.Linear(4, 6), "received Linear"),
        (ODConv2D(4, 6, 3), "received ODConv2D"),
        (nn.Conv1D(4, 6, 3), "expected Conv2D for .*Conv2D, received Conv1D"),
        (nn.Conv2D(4, 6, 3, padding=1, padding_mode="circular"), "padding_mode: expected 'zeros'"),
        (nn.Conv2D(4, 6, 3, 2, "SAME"), "padding='same': expected stride 1"),
        (nn.utils.weight_norm(nn.Conv2D(4, 6, 3)), "expected no hooks"),
        (hooked(), "expected no hooks"),
        (lazy(), "expected values, received Conv2D made under paddle.LazyGuard"),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("make", [ODConv2D, DyConv2D, CondConv2D])
def test_what_is_no_plain_convolution(make, conv, message):
    with pytest.raises(ValueError, match=message):
        make.from_static(conv)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"router": "own"}, "expected options among attention_sharing, .*; received router"),
        ({"stride": 2}, "expected options among .*; received stride"),
    ],
)
def test_unknown_options(options, message):
    with pytest.raises(ValueError, match=message):
        ODConv2D.from_static(nn.Conv2D(4, 6, 3), **options)
