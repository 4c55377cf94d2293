"""What the dynamic convolutions have in common, as layers of Paddle."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import paddle
import pytest
from canonical import paddle_name, paddle_shape, randomised
from paddle import nn

from odconv_paddle import (
    CondConv1D,
    CondConv2D,
    CondConv3D,
    DyConv1D,
    DyConv2D,
    DyConv3D,
    ODConv1D,
    ODConv2D,
    ODConv3D,
)

KINDS = {
    "od": (ODConv1D, ODConv2D, ODConv3D),
    "dy": (DyConv1D, DyConv2D, DyConv3D),
    "cond": (CondConv1D, CondConv2D, CondConv3D),
}
BIAS = {"od": [6], "dy": [2, 6], "cond": [2, 6]}
OWN = {"attention_sharing": False, "norm": "layer", "spatial_activation": "softmax"}


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("channels", [(1, 5), (4, 4)])
@pytest.mark.parametrize("size", [1, 4])
def test_a_batch_of_one_trains(kind, rank, channels, size):
    layer = randomised(KINDS[kind][rank - 1](*channels, 3, padding=1))
    before = copy.deepcopy(layer.state_dict())
    x = paddle.randn([1, channels[0], *(size, size + 1, size)[:rank]])
    x = x[:, :, :1] if size == 1 else x
    y = layer(x)
    y.square().sum().backward()
    assert y.isfinite().all()
    assert all(p.grad.isfinite().all() for p in layer.parameters() if not p.stop_gradient)
    for name, value in layer.state_dict().items():  # the statistics are left alone
        np.testing.assert_array_equal(value, before[name])
    layer.eval()
    np.testing.assert_allclose(y, layer(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("options", [OWN, {"norm": "none"}, {"kernel_num": 1, "attentions": ()}])
def test_a_batch_of_one_trains_in_every_variant(options):
    layer = randomised(ODConv2D(1, 5, 3, padding=1, **options))
    x = paddle.randn([1, 1, 1, 1])
    y = layer(x)
    y.sum().backward()
    layer.eval()
    np.testing.assert_allclose(y, layer(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_arrays_are_those_of_the_spec_in_its_order(kind, rank):
    layer = KINDS[kind][rank - 1](4, 6, 3, bias_attr=None)
    parameters = layer.spec.parameters()
    state = layer.state_dict()
    assert list(state) == [paddle_name(p) for p in parameters]
    assert [tuple(value.shape) for value in state.values()] == list(map(paddle_shape, parameters))


def test_arguments_come_in_the_order_of_paddle(kind):
    theirs = nn.Conv2D(4, 8, (3, 2), 2, 1, 2, 2)
    ours = KINDS[kind][1](4, 8, (3, 2), 2, 1, 2, 2)
    x = paddle.randn([2, 4, 9, 8])
    assert ours(x).shape == theirs(x).shape
    assert ours.weight.shape[1:] == theirs.weight.shape


def test_attributes_reach_the_parameters(kind):
    fill = paddle.ParamAttr(initializer=nn.initializer.Constant(2.0), learning_rate=0.5)
    make = KINDS[kind][1]
    layer = make(4, 6, 3, weight_attr=fill, bias_attr=fill)
    for parameter in (layer.weight, layer.bias):
        assert (parameter == 2).all()
        assert parameter.optimize_attr["learning_rate"] == 0.5
    assert make(4, 6, 3, bias_attr=False).bias is None
    assert make(4, 6, 3, bias_attr=None, kernel_num=2).bias.shape == BIAS[kind]
    assert (make(4, 6, 3).bias is None) == (kind == "od")  # the published layer has none


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    ("rank", "data_format", "order"),
    [(1, "NLC", (0, 2, 1)), (2, "NHWC", (0, 2, 3, 1)), (3, "NDHWC", (0, 2, 3, 4, 1))],
)
def test_channels_last(kind, rank, data_format, order):
    make = KINDS[kind][rank - 1]
    last = randomised(make(4, 6, 3, stride=2, data_format=data_format))
    first = make(4, 6, 3, stride=2)
    first.set_state_dict(last.state_dict())
    x = paddle.randn([2, 4, *(5, 6, 7)[:rank]])
    np.testing.assert_array_equal(last(x.transpose(order)), first(x).transpose(order))
    with pytest.raises(ValueError, match=rf"x: expected .* axes \({data_format}\) and 4 channels"):
        last(x)


@pytest.mark.parametrize(
    ("rank", "shape", "message"),
    [
        (2, [2, 5, 6, 7], r"x: expected 4 axes \(NCHW\) and 4 channels, received .* \[2, 5, 6, 7]"),
        (2, [4, 6, 7], r"x: expected 4 axes \(NCHW\) and 4 channels, received .* \[4, 6, 7\]"),
        (1, [2, 4, 6, 7], r"x: expected 3 axes \(NCL\) and 4 channels, received .* \[2, 4, 6, 7\]"),
        (3, [2, 4, 6, 7], r"x: expected 5 axes \(NCDHW\) and 4 channels"),
    ],
)
def test_wrong_inputs(kind, rank, shape, message):
    with pytest.raises(ValueError, match=message):
        KINDS[kind][rank - 1](4, 6, 3)(paddle.randn(shape))


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((4, 6, 0), {}, "kernel_size: expected a whole number >= 1"),
        ((4, 6, 3), {"groups": 3}, "groups: expected a divisor of in_channels=4"),
        ((4, 6, 3), {"kernel_num": 0}, "kernel_num: expected a whole number >= 1"),
        ((4, 6, 3), {"data_format": "NCL"}, "data_format: expected 'NCHW' or 'NHWC', received"),
        ((4, 6, 3), {"padding_mode": "reflect"}, "padding_mode: expected 'zeros', received"),
        ((4, 6, 3), {"weight_attr": False}, "weight_attr: expected None or a ParamAttr"),
    ],
)
def test_wrong_options(kind, arguments, options, message):
    with pytest.raises(ValueError, match=message):
        KINDS[kind][1](*arguments, **options)


@pytest.mark.parametrize("wrong", [0, -1, float("nan"), float("inf")])
def test_temperature_must_be_positive(kind, wrong):
    with pytest.raises(ValueError, match="temperature: expected a positive number, received"):
        KINDS[kind][1](4, 4, 3).set_temperature(wrong)


@pytest.mark.parametrize(
    "copied",
    [
        copy.deepcopy,
        pytest.param(
            lambda layer: pickle.loads(pickle.dumps(layer)),
            marks=pytest.mark.skipif(
                paddle.__version__ < "3.3", reason="Paddle 3.2 pickles no parameter of any layer"
            ),
        ),
    ],
)
def test_copies_and_pickles_keep_everything(kind, copied):
    layer = randomised(KINDS[kind][1](4, 6, 3, kernel_num=2))
    layer.eval()
    layer.set_temperature(3.0)
    x = paddle.randn([2, 4, 5, 6])
    twin = copied(layer)
    np.testing.assert_array_equal(twin(x), layer(x))
    twin.weight.set_value(paddle.zeros_like(twin.weight))
    assert layer.weight.any()


def test_state_dicts_go_through_files(kind, tmp_path):
    layer, twin = (randomised(KINDS[kind][1](4, 6, 3)) for _ in range(2))
    path = str(tmp_path / "layer.pdparams")
    paddle.save(layer.state_dict(), path)
    assert twin.set_state_dict(paddle.load(path)) == ([], [])
    x = paddle.randn([2, 4, 5, 6])
    layer.eval()
    twin.eval()
    np.testing.assert_array_equal(twin(x), layer(x))


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_summary(kind, rank, capsys):
    layer = KINDS[kind][rank - 1](4, 6, 3, padding=1)
    counts = paddle.summary(nn.Sequential(layer), (2, 4, *(5, 6, 7)[:rank]))
    expected = sum(p.size for p in layer.parameters() if not p.stop_gradient)
    assert counts["trainable_params"] == expected
    assert type(layer).__name__ in capsys.readouterr().out


def test_the_text_of_a_layer_shows_its_options():
    shown = repr(ODConv2D(4, 6, 3, groups=2, attention_sharing=False, data_format="NHWC"))
    assert "ODConv2D(4, 6, kernel_size=(3, 3)" in shown
    assert "groups=2, bias=False, kernel_num=4, attention_sharing=False, data_format=NHWC" in shown
