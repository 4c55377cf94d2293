"""Dynamic convolutions in a network of one's own."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
from paddle import nn

from odconv_paddle import CondConv2D, DyConv2D, ODConv2D, replace_convs
from tests.quick import quick

KINDS = {"od": ODConv2D, "dy": DyConv2D, "cond": CondConv2D}


@pytest.mark.parametrize("kernel_num", quick([2], [2, None]))
@pytest.mark.parametrize("kind", quick(["od"], KINDS))
def test_resnet18_of_paddle_computes_the_same(kind, kernel_num):
    model = randomised_statistics(paddle.vision.models.resnet18())
    model.eval()
    x = paddle.randn([2, 3, 32, 48])
    before = model(x).numpy()
    replaced = replace_convs(model, kind, **({"kernel_num": kernel_num} if kernel_num else {}))
    assert replaced.model is model
    assert isinstance(model.conv1, nn.Conv2D)  # the stem stays static
    assert isinstance(model.layer1[0].conv1, KINDS[kind])
    assert isinstance(model.layer2[0].downsample[0], KINDS[kind])
    assert len(replaced.changes) == 19
    assert replaced.skipped == ()
    after = model(x).numpy()
    assert np.abs(after - before).max() <= 1e-5 * np.abs(before).max()


def randomised_statistics(model):
    for name, value in model.state_dict().items():
        if name.endswith("_mean"):
            value.set_value(0.2 * paddle.randn(value.shape))
        elif name.endswith("_variance"):
            value.set_value(paddle.uniform(value.shape, min=0.5, max=1.5))
    return model


class Shared(nn.Layer):
    """One convolution in three places, two of them in one owner."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2D(3, 4, 3, padding=1)
        self.first = nn.Conv2D(4, 4, 3, padding=1)
        self.again = self.first
        self.rest = nn.LayerList([self.first, nn.Conv2D(4, 4, 1)])

    def forward(self, x):
        return self.rest[1](self.rest[0](self.again(self.first(self.stem(x)))))


def test_a_convolution_in_several_places_stays_one_layer():
    net = Shared()
    net.eval()
    x = paddle.randn([2, 3, 7, 6])
    before = net(x)
    replaced = replace_convs(net, "od")
    assert [change.path for change in replaced.changes] == ["first", "rest.1"]
    assert net.first is net.again is net.rest[0]
    assert isinstance(net.first, ODConv2D)
    np.testing.assert_allclose(net(x), before, rtol=1e-4, atol=1e-5)
