"""Static graphs of unknown batch, height and width, against the dynamic graph."""

from __future__ import annotations

from itertools import product

import numpy as np
import paddle
import pytest
from canonical import randomised
from paddle import nn
from paddle.static import InputSpec

from odconv_paddle import (
    CGConv2D,
    CondConv1D,
    CondConv2D,
    DCDConv2D,
    DyConv2D,
    DyConv3D,
    FDConv2D,
    KWConv2D,
    ODConv1D,
    ODConv2D,
    ODConv3D,
    WEConv2D,
    WeightNetConv2D,
    create_model,
)
from tests.quick import quick_rows

LAYERS = {
    "1d": (ODConv1D, {"kernel_size": 3, "padding": [0, 2], "stride": 2}, (11,)),
    "2d": (
        ODConv2D,
        {"kernel_size": (3, 4), "padding": [0, 1, 2, 3], "groups": 2, "bias_attr": None},
        (5, 7),
    ),
    "one tap": (ODConv2D, {"kernel_size": 1, "stride": 2}, (5, 7)),
    "shared kernel": (ODConv2D, {"kernel_size": 1, "kernel_num": 1}, (5, 7)),
    "3d": (ODConv3D, {"kernel_size": (2, 3, 1), "padding": 1, "stride": (1, 2, 1)}, (3, 5, 4)),
    "own attentions": (
        ODConv2D,
        {"kernel_size": 3, "groups": 2, "attention_sharing": False, "norm": "layer"},
        (5, 7),
    ),
    "softmax of taps": (
        ODConv2D,
        {"kernel_size": 3, "spatial_activation": "softmax", "norm": "none"},
        (5, 7),
    ),
    "no attention": (ODConv2D, {"kernel_size": 3, "kernel_num": 1, "attentions": ()}, (5, 7)),
    "dy": (DyConv2D, {"kernel_size": (3, 2), "groups": 2, "stride": 2, "fc1_bias": True}, (5, 7)),
    "dy 3d": (DyConv3D, {"kernel_size": 2, "bias_attr": False}, (3, 5, 4)),
    "cond": (CondConv2D, {"kernel_size": 3, "padding": 1}, (5, 7)),
    "cond 1d": (CondConv1D, {"kernel_size": 3, "mix_bias": False, "stride": 2}, (11,)),
}
OTHERS = {
    "cgc": CGConv2D,
    "dcd": DCDConv2D,
    "fdconv": FDConv2D,
    "kw": KWConv2D,
    "we": WEConv2D,
    "weightnet": WeightNetConv2D,
}
MODELS = {
    "od_resnet50": {"stages": [[4, 1], [6, 1]], "stem_channels": 4, "kernel_num": 2},
    "od_mobilenetv2_050": {"stages": [[2, 8, 1, 2]]},
    "dy_resnet18": {"stages": [[4, 1], [6, 1]], "stem_channels": 4},
    "cond_resnet50": {"stages": [[4, 1], [6, 1]], "stem_channels": 4},
    "cond_mobilenetv2_050": {"stages": [[1, 8, 1, 2], [2, 8, 2, 1]]},
}


def cases(names, chosen):
    """Whole graphs of all, and graphs in pieces, whose compilation takes seconds, of the chosen."""
    rest = [name for name in names if name not in chosen]
    slow = [pytest.param(name, False, marks=pytest.mark.slow) for name in rest]
    return [*((name, True) for name in names), *((name, False) for name in chosen), *slow]


class Net(nn.Layer):
    """A user's network around the layer."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x)


def unknown(rank, channels, dtype="float64"):
    """An input of which only the channels are known."""
    return InputSpec([None, channels, *[None] * rank], dtype)


def to_static(net, spec, full_graph):
    """With full_graph=False sizes become unknown by being different from one call to the next."""
    return paddle.jit.to_static(
        net, input_spec=[spec] if full_graph else None, full_graph=full_graph
    )


def train_step(net, x):
    """The output, all gradients, and the statistics after it."""
    net.train()
    leaf = x.clone().detach()
    leaf.stop_gradient = False
    y = net(leaf)
    (y * y).sum().backward()
    found = [y, leaf.grad] + [p.grad for p in net.parameters() if not p.stop_gradient]
    found = [tensor.numpy() for tensor in (*found, *net.state_dict().values())]
    net.clear_gradients()
    return found


def assert_equal(first, second):
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * max(1, np.abs(b).max()))


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(("name", "full_graph"), cases(LAYERS, ("2d", "cond")))
def test_layers(name, full_graph):
    make, options, sizes = LAYERS[name]
    net = Net(randomised(make(4, 6, **options)))
    static = Net(make(4, 6, **options))
    static.set_state_dict(net.state_dict())
    static = to_static(static, unknown(len(sizes), 4), full_graph)
    inputs = [paddle.randn([batch, 4, *(size + batch for size in sizes)]) for batch in (3, 1, 2)]
    for x in inputs:
        assert_equal(train_step(static, x), train_step(net, x))
    net.eval()
    static.eval()
    for temperature in (1.0, 7.0):
        for either in (net, static):
            either.layer.set_temperature(temperature)
        for x in inputs:
            np.testing.assert_allclose(static(x), net(x), rtol=1e-9, atol=1e-9)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    ("name", "full_graph"),
    quick_rows([("cond_resnet50", True)], product(MODELS, (True, False))),
)
def test_models(name, full_graph):
    net, static = (create_model(name, num_classes=3, **MODELS[name]) for _ in range(2))
    static.set_state_dict(randomised(net).state_dict())
    static = to_static(static, InputSpec([None, 3, 33, 36], "float64"), full_graph)
    for batch in (3, 2):
        x = paddle.randn([batch, 3, 33, 36])
        assert_equal(train_step(static, x), train_step(net, x))


@pytest.mark.parametrize(("kind", "full_graph"), product(OTHERS, (True, False)))
def test_other_kinds(kind, full_graph):
    """Layers of several paddings side by side, in a container of Paddle's, as users have them."""

    def made():
        make = OTHERS[kind]
        return nn.Sequential(make(4, 8, 3, padding=1), make(8, 12, 1), make(12, 8, 3, stride=2))

    paddle.seed(0)
    net, static = made(), made()
    static.set_state_dict(net.state_dict())
    static = to_static(static, unknown(2, 4, "float32"), full_graph)
    inputs = [paddle.randn([batch, 4, 7 + batch, 9 - batch]) for batch in (3, 1, 2)]
    for mode in ("train", "eval"):
        getattr(net, mode)()
        getattr(static, mode)()
        for x in inputs:
            np.testing.assert_allclose(static(x), net(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("full_graph", [True, False])
@pytest.mark.parametrize("kind", [*OTHERS, "od", "dy", "cond"])
def test_the_layer_itself(kind, full_graph):
    """Its own `forward` is translated then, which `unified` leaves alone inside a network."""
    make = {**OTHERS, "od": ODConv2D, "dy": DyConv2D, "cond": CondConv2D}[kind]
    layer = make(4, 8, 3, padding=1)
    x = paddle.randn([2, 4, 6, 7])
    layer.eval()
    expected = layer(x)
    static = to_static(layer, unknown(2, 4, "float32"), full_graph)
    np.testing.assert_allclose(static(x), expected, rtol=1e-4, atol=1e-5)
