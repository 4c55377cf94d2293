"""ODConv: its formula against a plain loop, its variants, and its starting values."""

from __future__ import annotations

import copy
from itertools import product

import numpy as np
import paddle
import pytest
from canonical import randomised
from paddle.nn import functional as F

from odconv_paddle import ODConv1D, ODConv2D, ODConv3D
from odconv_paddle.layers import Attentions
from tests.quick import quick_rows

CLASSES = (ODConv1D, ODConv2D, ODConv3D)
CONVS = (F.conv1d, F.conv2d, F.conv3d)


VARIANTS = [
    {},
    {"groups": 2, "stride": 2, "padding": 1, "bias_attr": True},
    {"groups": 4, "dilation": 2, "padding": 2, "kernel_num": 1},
    {"padding": "same", "kernel_num": 2},
    {"attentions": ("kernel", "spatial")},
    {"attentions": ("filter",), "kernel_num": 1, "bias_attr": True},
    {"attentions": (), "kernel_num": 1, "groups": 2},
    {"spatial_activation": "softmax", "norm": "layer"},
    {"norm": "none", "min_channels": 3, "reduction": 1.0},
    {"attention_sharing": False, "groups": 2, "stride": 2, "bias_attr": True},
    {"attention_sharing": False, "spatial_activation": "softmax", "kernel_num": 2, "padding": 1},
    {"attention_sharing": False, "attentions": ("channel", "kernel"), "norm": "none"},
    {"attention_sharing": False, "kernel_num": 1, "groups": 4},
]


POINTWISE = [
    {"kernel_size": 1},
    {"kernel_size": 1, "kernel_num": 1},
    {"kernel_size": 1, "groups": 2, "bias_attr": True},
    {"kernel_size": 1, "attention_sharing": False},
]


def of_kernel(attention, i, k, shared):
    """What a sample's kernel has of an attention; the constant one where it does not exist."""
    if attention is None:
        return 1.0
    # By NumPy, because Paddle does not index seven axes.
    return paddle.to_tensor(attention.numpy()[i] if shared else attention.numpy()[i, k])


SMALLER, LARGER = (7, 5, 6), (50, 13, 6)  # than a kernel
SITES = quick_rows(
    [(1, 2, SMALLER), *product([3], (1, 2, 3), (SMALLER, LARGER))],
    product((1, 3), (1, 2, 3), (SMALLER, LARGER)),
)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("options", [*VARIANTS, *POINTWISE])
@pytest.mark.parametrize(("batch", "rank", "size"), SITES)
def test_each_sample_has_its_own_kernels(rank, options, batch, size):
    layer = randomised(CLASSES[rank - 1](4, 8, **{"kernel_size": 3} | options))
    layer.eval()
    layer.set_temperature(1.7)
    x = paddle.randn([batch, 4, *size[:rank]])
    spec, shared = layer.spec, layer.spec.attention_sharing
    a = Attentions(None, None, None, None) if layer.attention is None else layer.attention(x)
    pads = [side for pair in spec.pads for side in pair]
    for i in range(batch):
        y = 0
        for k in range(spec.kernel_num):
            convolved = CONVS[rank - 1](
                (x[i] * of_kernel(a.channel, i, k, shared)).unsqueeze(0),
                layer.weight[k] * of_kernel(a.spatial, i, k, shared),
                None,
                spec.strides,
                pads,
                spec.dilations,
                spec.groups,
            )[0]
            share = 1.0 if a.kernel is None else a.kernel[i, k]
            y = y + share * of_kernel(a.filter, i, k, shared) * convolved
        if layer.bias is not None:
            y = y + layer.bias.reshape([-1, *[1] * rank])
        np.testing.assert_allclose(layer(x)[i], y, rtol=1e-12, atol=1e-12)
    given = [x, *layer.state_dict().values()]
    kept, expected = [array.numpy() for array in given], layer(x).numpy()
    with paddle.no_grad():  # some of it computes in place
        np.testing.assert_allclose(layer(x), expected, rtol=1e-12, atol=1e-12)
    for array, before in zip(given, kept, strict=True):
        np.testing.assert_array_equal(array, before)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("options", VARIANTS)
def test_attentions_follow_from_the_hidden_layer(options):
    layer = randomised(ODConv2D(4, 8, (2, 3), **options | {"padding": 0}))
    layer.eval()
    layer.set_temperature(3.0)
    attention, spec, x = layer.attention, layer.spec, paddle.randn([2, 4, 9, 8])
    if attention is None:
        assert not spec.heads()
        return
    hidden = attention.fc(x.mean([2, 3], keepdim=True))
    if spec.norm == "batch":
        hidden = attention.bn(hidden)
    elif spec.norm == "layer":
        flat = hidden.flatten(1)
        centred = flat - flat.mean(1, keepdim=True)
        flat = centred / ((centred**2).mean(1, keepdim=True) + 1e-5).sqrt()
        hidden = (flat * attention.ln.weight + attention.ln.bias).reshape(hidden.shape)
    hidden = F.relu(hidden)
    copies = [] if spec.attention_sharing else [spec.kernel_num]
    shapes = {"channel": [4, 1, 1], "filter": [8, 1, 1], "spatial": [1, 1, 2, 3]}
    for name, found in attention(x)._asdict().items():
        if f"{name}_fc" not in spec.heads():
            assert found is None
            continue
        logits = getattr(attention, f"{name}_fc")(hidden).flatten(1) / 3.0
        if name == "kernel":
            expected = F.softmax(logits, 1)
        elif name == "spatial" and spec.spatial_activation == "softmax":
            expected = F.softmax(logits.reshape([2, *copies, 6]), -1)
        else:
            expected = F.sigmoid(logits)
        shape = [2, spec.kernel_num] if name == "kernel" else [2, *copies, *shapes[name]]
        assert found.shape == shape
        np.testing.assert_allclose(found, expected.reshape(shape), rtol=1e-12)


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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attentions": ("kernel", "taps")}, "attentions: expected one of"),
        ({"attentions": ("channel",)}, "attentions: expected 'kernel' beside kernel_num=4"),
        ({"spatial_activation": "relu"}, "spatial_activation: expected one of"),
        ({"attention_sharing": 1}, "attention_sharing: expected True or False, received 1"),
        ({"norm": "group"}, "norm: expected one of 'batch', 'layer', 'none'"),
        ({"reduction": 0}, "reduction: expected a number"),
        ({"min_channels": 0}, "min_channels: expected a whole number >= 1"),
        ({"head_init": "zeros"}, "head_init: expected one of 'zero', 'published'"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        ODConv2D(4, 6, 3, **options)
