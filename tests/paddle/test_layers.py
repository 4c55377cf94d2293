"""What the dynamic convolutions have in common, as layers of Paddle."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import paddle
import pytest
from canonical import LAYERS, paddle_name, paddle_shape, randomised
from paddle import nn

from odconv_paddle import DyConv2D, ODConv2D
from parity_tests.reference import random_arrays
from tests.frameworks.test_layers import SITES, VARIANTS, maps, spec_of

BIAS = {"od": [6], "dy": [2, 6], "cond": [2, 6]}


@pytest.fixture(params=LAYERS)
def kind(request):
    return request.param


@pytest.mark.parametrize(("kind", "options"), VARIANTS, ids=str)
@pytest.mark.parametrize(("rank", "batch", "sizes"), SITES, ids=str)
def test_nothing_is_changed_where_nothing_is_recorded(kit, kind, options, rank, batch, sizes):
    """Some of it computes in place then."""
    spec, x = spec_of(kind, options, rank), paddle.to_tensor(maps(rank, batch, sizes))
    layer = kit.build(spec, random_arrays(spec.parameters(), rank))
    given = [x, *layer.state_dict().values()]
    kept, expected = [array.numpy() for array in given], layer(x).numpy()
    with paddle.no_grad():
        np.testing.assert_allclose(layer(x), expected, rtol=1e-12, atol=1e-12)
    for array, before in zip(given, kept, strict=True):
        np.testing.assert_array_equal(array, before)


def test_shapes_of_attentions():
    x = paddle.randn([3, 4, 8, 9])
    shared = ODConv2D(4, 6, (2, 3), kernel_num=5).attention(x)
    each = ODConv2D(4, 6, (2, 3), kernel_num=5, attention_sharing=False).attention(x)
    for name, shape in {"channel": [4, 1, 1], "filter": [6, 1, 1], "spatial": [1, 1, 2, 3]}.items():
        assert getattr(shared, name).shape == [3, *shape]
        assert getattr(each, name).shape == [3, 5, *shape]
    assert shared.kernel.shape == each.kernel.shape == [3, 5]
    assert ODConv2D(4, 6, 1).attention(x).spatial is None


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_arrays_are_those_of_the_spec_in_its_order(kind, rank):
    layer = LAYERS[kind][rank - 1](4, 6, 3, bias_attr=None)
    parameters = layer.spec.parameters()
    state = layer.state_dict()
    assert list(state) == [paddle_name(p) for p in parameters]
    assert [tuple(value.shape) for value in state.values()] == list(map(paddle_shape, parameters))


def test_arguments_come_in_the_order_of_paddle(kind):
    theirs = nn.Conv2D(4, 8, (3, 2), 2, 1, 2, 2)
    ours = LAYERS[kind][1](4, 8, (3, 2), 2, 1, 2, 2)
    x = paddle.randn([2, 4, 9, 8])
    assert ours(x).shape == theirs(x).shape
    assert ours.weight.shape[1:] == theirs.weight.shape


def test_attributes_reach_the_parameters(kind):
    fill = paddle.ParamAttr(initializer=nn.initializer.Constant(2.0), learning_rate=0.5)
    make = LAYERS[kind][1]
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
    make = LAYERS[kind][rank - 1]
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
        LAYERS[kind][rank - 1](4, 6, 3)(paddle.randn(shape))


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
        LAYERS[kind][1](*arguments, **options)


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
    layer = randomised(LAYERS[kind][1](4, 6, 3, kernel_num=2))
    layer.eval()
    layer.set_temperature(3.0)
    x = paddle.randn([2, 4, 5, 6])
    twin = copied(layer)
    np.testing.assert_array_equal(twin(x), layer(x))
    twin.weight.set_value(paddle.zeros_like(twin.weight))
    assert layer.weight.any()


def test_state_dicts_go_through_files(kind, tmp_path):
    layer, twin = (randomised(LAYERS[kind][1](4, 6, 3)) for _ in range(2))
    path = str(tmp_path / "layer.pdparams")
    paddle.save(layer.state_dict(), path)
    assert twin.set_state_dict(paddle.load(path)) == ([], [])
    x = paddle.randn([2, 4, 5, 6])
    layer.eval()
    twin.eval()
    np.testing.assert_array_equal(twin(x), layer(x))


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_summary(kind, rank, capsys):
    layer = LAYERS[kind][rank - 1](4, 6, 3, padding=1)
    counts = paddle.summary(nn.Sequential(layer), (2, 4, *(5, 6, 7)[:rank]))
    expected = sum(p.size for p in layer.parameters() if not p.stop_gradient)
    assert counts["trainable_params"] == expected
    assert type(layer).__name__ in capsys.readouterr().out


def test_the_text_of_a_layer_shows_its_options():
    shown = repr(ODConv2D(4, 6, 3, groups=2, attention_sharing=False, data_format="NHWC"))
    assert "ODConv2D(4, 6, kernel_size=(3, 3)" in shown
    assert "groups=2, bias=False, kernel_num=4, attention_sharing=False, data_format=NHWC" in shown


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (ODConv2D, {"attentions": ("kernel", "taps")}, "attentions: expected one of"),
        (ODConv2D, {"attentions": ("channel",)}, "expected 'kernel' beside kernel_num=4"),
        (ODConv2D, {"spatial_activation": "relu"}, "spatial_activation: expected one of"),
        (ODConv2D, {"attention_sharing": 1}, "attention_sharing: expected True or False"),
        (ODConv2D, {"norm": "group"}, "norm: expected one of 'batch', 'layer', 'none'"),
        (ODConv2D, {"reduction": 0}, "reduction: expected a number"),
        (ODConv2D, {"min_channels": 0}, "min_channels: expected a whole number >= 1"),
        (ODConv2D, {"head_init": "zeros"}, "head_init: expected one of 'zero', 'published'"),
        (DyConv2D, {"hidden_rule": "half"}, "hidden_rule: expected one of 'paper', 'plus_one'"),
        (DyConv2D, {"hidden_channels": 0}, "hidden_channels: expected a whole number >= 1"),
        (DyConv2D, {"fc1_bias": None}, "fc1_bias: expected True or False"),
        (DyConv2D, {"reduction": 1.5}, "reduction: expected a number"),
    ],
)
def test_wrong_options_of_one_kind(make, options, message):
    with pytest.raises(ValueError, match=message):
        make(4, 6, 3, **options)
