"""Code that starts, wraps or names a network's layers leaves attentions as they are."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import paddle
import pytest
from canonical import LAYERS, randomised
from paddle import nn

from odconv_paddle import CondConv2D, DyConv2D, ODConv2D, Routing
from odconv_paddle.layers.pointwise import Pointwise
from odconv_spec import ConvSpec

KINDS = tuple(LAYERS.values())
CONVS = (nn.Conv1D, nn.Conv2D, nn.Conv3D)


@pytest.fixture(params=[kind[1] for kind in KINDS])
def make(request):
    return request.param


def start(layer):
    """A user's own, as most projects have it."""
    if isinstance(layer, (*CONVS, nn.Linear)):
        nn.initializer.KaimingNormal()(layer.weight)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("kind", range(3))
@pytest.mark.parametrize("how", ["loop", "apply"])
def test_own_starts(kind, rank, how):
    net = nn.Sequential(CONVS[rank - 1](3, 4, 3), KINDS[kind][rank - 1](4, 6, 3))
    before = copy.deepcopy(net.state_dict())
    if how == "apply":
        net.apply(start)
    else:
        for layer in net.sublayers():
            start(layer)
    for name, value in net.state_dict().items():
        assert np.array_equal(value, before[name]) == (name != "0.weight"), name


def test_own_starts_by_names_of_classes(make):
    layer = make(4, 6, 3)
    assert [x for x in layer.sublayers(include_self=True) if "Conv" in type(x).__name__] == [layer]


@pytest.mark.parametrize("head_init", ["zero", "published"])
def test_a_global_initializer(make, head_init):
    paddle.seed(3)
    expected = make(4, 6, 3, head_init=head_init)
    fill = nn.initializer.Constant(0.3)
    nn.initializer.set_global_initializer(fill, fill)
    try:
        paddle.seed(3)
        layer = make(4, 6, 3, head_init=head_init, weight_attr=nn.initializer.Normal())
    finally:
        nn.initializer.set_global_initializer(None)
    for path, found in layer.named_sublayers():
        if isinstance(found, (Pointwise, Routing)):
            weight = expected.state_dict()[f"{path}.weight"]
            assert bool(found.weight.any()) == bool(weight.any())
            assert float(found.weight.std()) <= 2 * float(weight.std())
            assert (found.weight.unique().size == 1) == (weight.unique().size == 1)
            assert found.bias is None or not found.bias.any()


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("bias", [True, False])
def test_a_pointwise_layer_stores_and_computes_what_a_convolution_does(rank, bias):
    spec = ConvSpec(in_channels=5, out_channels=3, kernel_size=1, bias=bias, rank=rank)
    layer = randomised(Pointwise(spec))
    conv = CONVS[rank - 1](5, 3, 1, bias_attr=None if bias else False)
    assert list(layer.state_dict()) == list(conv.state_dict())
    conv.set_state_dict(layer.state_dict())
    x = paddle.randn([2, 5, *[1] * rank])
    np.testing.assert_array_equal(layer(x), conv(x))
    assert type(layer).__bases__ == (nn.Layer,)


def test_names_by_which_optimisers_store_their_states_are_those_of_convolutions():
    paddle.utils.unique_name.switch()
    layer = ODConv2D(4, 6, 3)
    names = [layer.attention.fc.weight.name, layer.attention.channel_fc.bias.name]
    assert names == ["conv2d_0.w_0", "conv2d_1.b_0"]
    assert nn.Conv2D(3, 4, 3).weight.name == "conv2d_5.w_0"
    assert CondConv2D(4, 6, 3).routing.weight.name == "routing_0.w_0"


def test_a_head_may_be_replaced():
    layer, twin = randomised(ODConv2D(4, 6, 3)), ODConv2D(4, 6, 3)
    conv = nn.Conv2D(16, 6, 1)
    twin.attention.filter_fc = conv
    assert twin.set_state_dict(layer.state_dict()) == ([], [])
    seen = []
    conv.register_forward_post_hook(lambda layer, x, y: seen.append(y.shape))
    x = paddle.randn([2, 4, 5, 6])
    np.testing.assert_array_equal(twin(x), layer(x))
    assert seen == [[2, 6, 1, 1]]


def test_a_lazy_layer_takes_a_checkpoint(make):
    with paddle.LazyGuard():
        lazy = make(4, 6, 3)
    layer = randomised(make(4, 6, 3))
    assert lazy.set_state_dict(layer.state_dict()) == ([], [])
    x = paddle.randn([2, 4, 5, 6])
    for either in (layer, lazy):
        either.eval()
    np.testing.assert_array_equal(lazy(x), layer(x))


def test_a_lazy_layer_starts_as_any_other(make):
    with paddle.LazyGuard():
        lazy = copy.deepcopy(make(4, 6, 3))
    for parameter in lazy.parameters():
        parameter.initialize()
    layer = make(4, 6, 3)
    for name, value in layer.state_dict().items():
        found = lazy.state_dict()[name]
        assert bool(found.any()) == bool(value.any()), name
        assert float(found.abs().max()) <= 5 * max(1e-9, float(value.abs().max())), name
    assert lazy(paddle.randn([2, 4, 5, 6])).isfinite().all()


def lazily(layer):
    with paddle.LazyGuard():
        return type(layer)(4, 6, 3)


@pytest.mark.parametrize("kind", [ODConv2D, DyConv2D])
@pytest.mark.parametrize(
    "way",
    [
        lazily,
        copy.deepcopy,
        lambda layer: pickle.loads(pickle.dumps(layer)),
        lambda layer: layer.to(dtype="float64"),
        lambda layer: type(layer).from_static(nn.Conv2D(4, 6, 3)),
    ],
    ids=["lazy", "deepcopy", "pickle", "to", "from_static"],
)
def test_the_temperature_is_one_however_a_layer_is_made(kind, way):
    layer = way(kind(4, 6, 3))
    assert float(layer.attention.temperature) == 1
    layer.set_temperature(3.0)
    assert float(copy.deepcopy(layer).attention.temperature) == 3
    layer.set_state_dict(layer.state_dict())  # which stores none
    assert float(layer.attention.temperature) == 3
