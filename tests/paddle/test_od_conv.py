"""The ODConv layer against the published numbers and against a plain loop."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import paddle
import pytest
from canonical import assign, paddle_name, randomised
from paddle import nn
from paddle.nn import functional as F

from odconv_paddle import ODConv1D, ODConv2D, ODConv3D
from odconv_paddle.layers import build_conv
from parity_tests.golden.loader import load_odconv, odconv_files

CLASSES = (ODConv1D, ODConv2D, ODConv3D)
CONVS = (F.conv1d, F.conv2d, F.conv3d)


def golden_layer(golden):
    layer = build_conv(golden.spec)
    assign(layer, golden.spec.parameters(), golden.arrays)
    layer.set_temperature(golden.temperature)
    return layer


def names(spec):
    return {parameter.name: paddle_name(parameter) for parameter in spec.parameters()}


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", odconv_files())
def test_golden_evaluation(name):
    golden = load_odconv(name)
    layer = golden_layer(golden)
    layer.eval()
    x = paddle.to_tensor(golden.input)
    np.testing.assert_allclose(layer(x), golden.output, rtol=1e-9, atol=1e-12)
    for kind, attention in layer.attention(x)._asdict().items():
        assert (attention is None) == (kind not in golden.attentions)
        if attention is not None:
            expected = golden.attentions[kind].reshape(attention.shape)
            np.testing.assert_allclose(attention, expected, rtol=1e-9)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", [n for n in odconv_files() if load_odconv(n).training])
def test_golden_training(name):
    golden = load_odconv(name)
    after, stored = golden.training, names(golden.spec)
    layer = golden_layer(golden)
    layer.train()
    x = paddle.to_tensor(golden.input, stop_gradient=False)
    y = layer(x)
    y.backward(paddle.to_tensor(after.grad_output))
    np.testing.assert_allclose(y, after.output, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(x.grad, after.grad_input, rtol=1e-9, atol=1e-11)
    state = layer.state_dict()
    trained = dict(layer.named_parameters())
    for key, expected in after.grads.items():
        np.testing.assert_allclose(trained[stored[key]].grad, expected, rtol=1e-9, atol=1e-11)
    for key, expected in after.statistics.items():
        np.testing.assert_allclose(state[stored[key]], expected, rtol=1e-9)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"groups": 2, "stride": 2, "padding": 1, "bias_attr": True},
        {"groups": 4, "dilation": 2, "padding": 2, "kernel_num": 1},
        {"padding": "same", "kernel_num": 2},
    ],
)
def test_each_sample_has_its_own_kernel(rank, options, batch):
    layer = randomised(CLASSES[rank - 1](4, 8, 3, **options))
    layer.eval()
    x = paddle.randn([batch, 4, *(5, 6, 7)[:rank]])
    a, spec = layer.attention(x), layer.spec
    pads = [side for pair in spec.pads for side in pair]
    for i in range(batch):
        kernel = 0
        for k in range(spec.kernel_num):
            weight = layer.weight[k] if a.kernel is None else layer.weight[k] * a.kernel[i, k]
            kernel = kernel + weight * a.spatial[i]
        y = CONVS[rank - 1](
            (x[i] * a.channel[i]).unsqueeze(0),
            kernel,
            None,
            spec.strides,
            pads,
            spec.dilations,
            spec.groups,
        )
        y = y[0] * a.filter[i]
        if layer.bias is not None:
            y = y + layer.bias.reshape([-1, *[1] * rank])
        np.testing.assert_allclose(layer(x)[i], y, rtol=1e-12, atol=1e-12)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    "options", [{"kernel_num": 3, "stride": 2}, {"kernel_num": 1}, {"kernel_num": 1, "stride": 2}]
)
def test_a_kernel_of_one_tap(options):
    layer = randomised(ODConv2D(4, 6, 1, padding=1, **options))
    layer.eval()
    x = paddle.randn([2, 4, 5, 6])
    a = layer.attention(x)
    assert a.spatial is None
    y = [
        F.conv2d(
            (x * a.channel)[i : i + 1],
            layer.weight[0] if a.kernel is None else sum(w * layer.weight[k] for k, w in mixture),
            stride=layer.spec.strides,
            padding=1,
        )
        for i, mixture in enumerate(
            [[]] * 2 if a.kernel is None else [list(enumerate(row)) for row in a.kernel]
        )
    ]
    np.testing.assert_allclose(layer(x), paddle.concat(y) * a.filter, rtol=1e-12, atol=1e-12)


@pytest.mark.usefixtures("float64")
def test_spatial_attention_is_height_by_width():
    layer = randomised(ODConv2D(3, 3, (2, 3), kernel_num=1))
    layer.eval()
    x = paddle.randn([2, 3, 4, 5])
    attention = layer.attention
    hidden = F.relu(attention.bn(attention.fc(x.mean([2, 3], keepdim=True))))
    expected = F.sigmoid(attention.spatial_fc(hidden))[:, :, 0, 0]
    spatial = attention(x).spatial
    assert spatial.shape == [2, 1, 1, 2, 3]
    np.testing.assert_allclose(spatial[:, 0, 0, 1, 0], expected[:, 3], rtol=1e-12)


@pytest.mark.parametrize("size", [(1, 1), (4, 5)])
def test_a_batch_of_one_trains(size):
    layer = randomised(ODConv2D(1, 5, 3, padding=1))
    before = copy.deepcopy(layer.attention.bn.state_dict())
    x = paddle.randn([1, 1, *size])
    y = layer(x)
    y.sum().backward()
    assert y.isfinite().all()
    for name, value in layer.attention.bn.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    layer.eval()
    np.testing.assert_allclose(y, layer(x), rtol=1e-5, atol=1e-6)


def test_zero_heads_start_as_a_plain_convolution():
    layer = ODConv2D(4, 6, 3, kernel_num=3, padding=1)
    x = paddle.randn([2, 4, 5, 6])
    plain = F.conv2d(x, layer.weight.mean(0), padding=1)
    np.testing.assert_allclose(layer(x), plain / 8, rtol=1e-5, atol=1e-6)  # three sigmoids of zero


@pytest.mark.parametrize("start", ["zero", "published"])
def test_starting_values(start):
    layer = ODConv2D(64, 256, 3, groups=2, kernel_num=4, head_init=start, bias_attr=True)
    fan_out = 256 * 9
    for kernel in layer.weight.numpy():
        assert kernel.std() == pytest.approx((2 / fan_out) ** 0.5, rel=0.02)
    assert layer.attention.fc.weight.numpy().std() == pytest.approx((2 / 16) ** 0.5, rel=0.1)
    head = layer.attention.filter_fc
    assert head.weight.numpy().std() == (
        0 if start == "zero" else pytest.approx((2 / 256) ** 0.5, rel=0.1)
    )
    assert not head.bias.any()
    assert not layer.bias.any()


def test_attributes_reach_the_parameters():
    fill = paddle.ParamAttr(initializer=nn.initializer.Constant(2.0), learning_rate=0.5)
    layer = ODConv2D(4, 6, 3, weight_attr=fill, bias_attr=fill)
    for parameter in (layer.weight, layer.bias):
        assert (parameter == 2).all()
        assert parameter.optimize_attr["learning_rate"] == 0.5
    assert ODConv2D(4, 6, 3).bias is None
    assert ODConv2D(4, 6, 3, bias_attr=None).bias.shape == [6]


@pytest.mark.usefixtures("float64")
def test_temperature_divides_every_logit():
    layer = randomised(ODConv2D(4, 6, 3, kernel_num=3))
    layer.eval()
    x = paddle.randn([2, 4, 5, 6])
    cool = layer.attention(x)
    layer.set_temperature(2.0)
    warm = layer.attention(x)
    for kind in ("channel", "filter", "spatial"):
        logits = paddle.logit(getattr(cool, kind))
        np.testing.assert_allclose(paddle.logit(getattr(warm, kind)), logits / 2, rtol=1e-9)
    logits = cool.kernel.log().diff(axis=1)  # of a softmax, only differences are known
    np.testing.assert_allclose(warm.kernel.log().diff(axis=1), logits / 2, rtol=1e-9)
    assert "attention.temperature" not in layer.state_dict()


@pytest.mark.parametrize("wrong", [0, -1, float("nan"), float("inf")])
def test_temperature_must_be_positive(wrong):
    with pytest.raises(ValueError, match="temperature: expected a positive number, received"):
        ODConv2D(4, 4, 3).set_temperature(wrong)


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
def test_wrong_options(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        ODConv2D(*arguments, **options)


def test_arguments_come_in_the_order_of_paddle():
    theirs = nn.Conv2D(4, 8, (3, 2), 2, 1, 2, 2)
    ours = ODConv2D(4, 8, (3, 2), 2, 1, 2, 2)
    x = paddle.randn([2, 4, 9, 8])
    assert ours(x).shape == theirs(x).shape
    assert ours.weight.shape[1:] == theirs.weight.shape


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    ("rank", "data_format", "order"),
    [(1, "NLC", (0, 2, 1)), (2, "NHWC", (0, 2, 3, 1)), (3, "NDHWC", (0, 2, 3, 4, 1))],
)
def test_channels_last(rank, data_format, order):
    last = randomised(CLASSES[rank - 1](4, 6, 3, stride=2, data_format=data_format))
    first = CLASSES[rank - 1](4, 6, 3, stride=2)
    first.set_state_dict(last.state_dict())
    x = paddle.randn([2, 4, *(5, 6, 7)[:rank]])
    np.testing.assert_array_equal(last(x.transpose(order)), first(x).transpose(order))


def test_copies_and_pickles_keep_everything():
    layer = randomised(ODConv2D(4, 6, 3, kernel_num=2))
    layer.eval()
    layer.set_temperature(3.0)
    x = paddle.randn([2, 4, 5, 6])
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        np.testing.assert_array_equal(twin(x), layer(x))


# Paddle has no half precision on a CPU: there both levels compute in float32, and what can be seen
# is that the layer runs under them, and that its attentions leave half precision.
@pytest.mark.parametrize("level", ["O1", "O2"])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_mixed_precision(level, dtype):
    layer = randomised(ODConv2D(8, 6, 3, padding=1))
    x = paddle.randn([3, 8, 9, 7])
    layer.eval()
    expected = layer(x)
    if level == "O2":
        layer = paddle.amp.decorate(layer, level=level, dtype=dtype)
    with paddle.amp.auto_cast(level=level, dtype=dtype):
        y = layer(x)
    (y.astype("float32") ** 2).mean().backward()
    np.testing.assert_allclose(y.astype("float32"), expected, rtol=0.05, atol=0.02)
    assert all(p.grad.isfinite().all() for p in layer.parameters() if not p.stop_gradient)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_attentions_are_of_float32(dtype):
    attention = ODConv2D(8, 6, 3).attention
    logits = attention._logits(lambda hidden: hidden, paddle.ones([2, 8, 1, 1]).astype(dtype))
    assert logits.dtype == paddle.float32
