"""Dynamic convolutions in a network of one's own."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
from canonical import randomised
from paddle import nn

from odconv_paddle import CondConv2D, DyConv2D, ODConv2D, replace_convs
from odconv_paddle.layers import DynamicConv
from odconv_spec import ConvSpec, DyConvSpec

KINDS = {"od": ODConv2D, "dy": DyConv2D, "cond": CondConv2D}


@pytest.fixture
def net():
    """A network with random statistics, in inference mode."""
    layers = [
        nn.Conv2D(3, 4, 3, bias_attr=False),
        nn.BatchNorm2D(4),
        nn.ReLU(),
        nn.Sequential(nn.Conv2D(4, 6, (3, 2), 2, 1), nn.ReLU(), nn.Conv2D(6, 6, 3, groups=6)),
        nn.Conv2DTranspose(6, 3, 2),
    ]
    net = randomised(nn.Sequential(*layers))
    net.eval()
    return net


@pytest.mark.parametrize("kernel_num", [2, pytest.param(None, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", KINDS)
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


@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_learns_afterwards(net, kind):
    wide = {"hidden_channels": 8} if kind == "dy" else {}  # a single ReLU may be dead
    model = replace_convs(net, kind, kernel_num=2, **wide).model
    model.train()
    optimiser = paddle.optimizer.SGD(0.01, parameters=model.parameters())
    x = paddle.randn([4, 3, 15, 17])
    for _ in range(2):  # behind heads of zeros the attention gets no gradient in the first step
        optimiser.clear_grad()
        model(x).square().mean().backward()
        optimiser.step()
    named = {n: p.grad for n, p in model.named_parameters() if not p.stop_gradient}
    assert [n for n, grad in named.items() if grad is None or not grad.any()] == []


@pytest.mark.parametrize("kind", KINDS)
def test_report(net, kind):
    x = paddle.randn([2, 3, 15, 17])
    before = net(x)
    replaced = replace_convs(net, kind)
    np.testing.assert_allclose(net(x), before, rtol=1e-4, atol=1e-5)
    assert [change.path for change in replaced.changes] == ["3.0", "3.2"]
    first = replaced.changes[0]
    expected = {"in_channels": 4, "out_channels": 6, "kernel_size": (3, 2), "stride": 2}
    assert first.before == ConvSpec(**expected, padding=1, bias=True)
    assert first.after == net[3][0].spec
    ((path, reason),) = replaced.skipped
    assert path == "4"
    assert "received Conv2DTranspose" in reason


def test_the_report_reads_as_a_table(net):
    lines = str(replace_convs(net, "dy", kernel_num=2)).splitlines()
    assert lines[0].split() == ["replaced", "parameters", "now"]
    assert lines[1].split() == ["3.0", "150", "308"]  # 2 * (144 + 6) + 4 + 2 + 2
    assert lines[2].split() == ["3.2", "60", "130"]
    assert lines[3].split() == ["total", "210", "438"]
    assert lines[4].startswith("left: 4: conv: expected a Conv1D, Conv2D or Conv3D")


def test_where_chooses(net):
    seen = []

    def where(path, conv):
        seen.append((path, type(conv)))
        return conv._groups == 6

    replaced = replace_convs(net, "od", where)
    assert [change.path for change in replaced.changes] == ["3.2"]
    assert replaced.skipped == ()
    assert seen == [
        ("0", nn.Conv2D),
        ("3.0", nn.Conv2D),
        ("3.2", nn.Conv2D),
        ("4", nn.Conv2DTranspose),
    ]


def test_fresh_kernels(net):
    old = net[3][0].weight
    layer = replace_convs(net, "cond", keep_function=False, head_init="published").model[3][0]
    assert layer.spec.head_init == "published"
    assert layer.routing.weight.any()
    assert not layer.bias.any()
    assert not np.allclose(layer.weight.mean(0) * layer.spec.start_gain, old, atol=1e-3)
    assert not layer.training


def test_a_lone_convolution():
    conv = nn.Conv2D(3, 4, 3)
    replaced = replace_convs(conv, "dy")
    assert isinstance(replaced.model, DyConv2D)
    assert isinstance(replaced.changes[0].after, DyConvSpec)
    assert "(the model)" in str(replaced)
    x = paddle.randn([2, 3, 5, 6])
    np.testing.assert_allclose(replaced.model(x), conv(x), rtol=1e-4, atol=1e-5)


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


def test_dynamic_convolutions_are_left_alone():
    own = ODConv2D(4, 4, 3)
    net = nn.Sequential(nn.Conv2D(3, 4, 3), own, nn.Conv2D(4, 5, 3))
    replaced = replace_convs(net, "dy")
    assert [change.path for change in replaced.changes] == ["2"]
    assert net[1] is own
    assert not isinstance(own.attention.fc, DynamicConv)
    with pytest.raises(ValueError, match="of the network, which has none"):
        replace_convs(own, "dy", lambda path, conv: True)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (["ode"], {}, r"kind: expected one of \['od', 'dy', 'cond'\], received 'ode'"),
        (["static"], {}, "kind: expected one of"),
        (["dy"], {"min_channels": 4}, "a 'dy' convolution has the options .*'min_channels'"),
        (["cond"], {"router": "shared"}, r"a 'cond' convolution .* received \['router'\]"),
        (["od"], {"kernel_num": 0}, "kernel_num: expected a whole number >= 1"),
        (["od"], {"head_init": "published"}, "head_init: expected 'zero', which keeps"),
        (["od", lambda path, conv: False], {}, "where: expected to choose .* of '0', '3.0', '3.2'"),
    ],
)
def test_wrong_arguments_change_nothing(net, arguments, options, message):
    with pytest.raises(ValueError, match=message):
        replace_convs(net, *arguments, **options)
    assert not any(isinstance(layer, DynamicConv) for layer in net.sublayers())
