"""The three dynamic convolutions: their equations, sizes, data formats and starting values."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from helpers import channels_first, channels_last, fill, numpy, run
from plain import dynamic_conv

from odconv_keras import (
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

LAYERS = {
    "od": (ODConv1D, ODConv2D, ODConv3D),
    "dy": (DyConv1D, DyConv2D, DyConv3D),
    "cond": (CondConv1D, CondConv2D, CondConv3D),
}
SIZES = (6, 5, 7)
SETTINGS = [
    ("od", {}),
    ("od", {"groups": 2, "strides": 2, "padding": 1, "use_bias": True, "min_channels": 5}),
    ("od", {"kernel_size": 1, "groups": 2, "kernel_num": 1, "strides": 2}),
    ("od", {"filters": 4, "groups": 4, "strides": 2, "dilation_rate": 2, "padding": 2}),
    ("od", {"attentions": (), "kernel_num": 1, "use_bias": True}),
    ("od", {"attentions": ("filter",), "kernel_num": 1, "norm": "none"}),
    ("od", {"attentions": ("channel", "kernel"), "norm": "layer", "padding": "same"}),
    ("od", {"spatial_activation": "softmax", "norm": "layer"}),
    ("od", {"attention_sharing": False, "use_bias": True, "kernel_num": 3}),
    ("od", {"attention_sharing": False, "groups": 2, "spatial_activation": "softmax"}),
    ("od", {"attention_sharing": False, "filters": 4, "groups": 4, "norm": "none"}),
    ("od", {"attention_sharing": False, "kernel_num": 1, "attentions": ("spatial",)}),
    ("dy", {}),
    ("dy", {"groups": 2, "strides": 2, "padding": 1, "fc1_bias": True, "fc2_bias": False}),
    ("dy", {"kernel_num": 1, "hidden_channels": 3, "use_bias": False, "kernel_size": 1}),
    ("dy", {"filters": 4, "groups": 4, "hidden_rule": "plus_one", "dilation_rate": 2}),
    ("cond", {}),
    ("cond", {"groups": 2, "strides": 2, "padding": 1, "mix_bias": False, "kernel_num": 3}),
    ("cond", {"kernel_num": 1, "use_bias": False, "filters": 4, "groups": 4}),
]


def made(kind, rank=2, **options):
    options = {"filters": 8, "kernel_size": 3, "dtype": "float64"} | options
    return LAYERS[kind][rank - 1](**options)


def maps(rank, batch=2, channels=4, sizes=SIZES):
    shape = (batch, *sizes[:rank], channels)
    return np.random.default_rng(rank).standard_normal(shape)


@pytest.mark.parametrize(("kind", "options"), SETTINGS, ids=str)
def test_the_equation(kind, options):
    layer = made(kind, **options)
    x = maps(2)
    layer.build(x.shape)
    fill(layer).set_temperature(3.0)
    y = run(layer, x)
    np.testing.assert_allclose(y, dynamic_conv(layer, x, temperature=3.0), rtol=1e-9, atol=1e-12)
    assert layer.compute_output_shape(x.shape) == y.shape


@pytest.mark.parametrize("rank", [1, 3])
@pytest.mark.parametrize(
    ("kind", "options"),
    [("od", {"attention_sharing": False}), ("od", {"strides": 2}), ("dy", {}), ("cond", {})],
    ids=str,
)
def test_other_numbers_of_axes(kind, options, rank):
    layer = made(kind, rank, kernel_num=2, padding=1, groups=2, **options)
    x = maps(rank)
    layer.build(x.shape)
    y = run(fill(layer), x)
    np.testing.assert_allclose(y, dynamic_conv(layer, x), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", LAYERS)
def test_kernel_stride_padding_and_dilation_of_unequal_axes(kind):
    layer = made(
        kind,
        kernel_size=(2, 3),
        strides=(1, 2),
        padding=((0, 2), (1, 0)),
        dilation_rate=(3, 1),
    )
    x = maps(2, sizes=(6, 9))
    layer.build(x.shape)
    y = run(fill(layer), x)
    np.testing.assert_allclose(y, dynamic_conv(layer, x), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("kind", "rank"), [("od", 3), ("dy", 1), ("cond", 2)])
def test_channels_first_equals_channels_last(kind, rank):
    options = {"padding": 1, "groups": 2, "use_bias": True, "activation": "relu", "strides": 2}
    x = maps(rank)
    last, first = (
        made(kind, rank, data_format=f"channels_{end}", kernel_num=2, **options)
        for end in ("last", "first")
    )
    last.build(x.shape)
    first.build(channels_first(x).shape)
    fill(last)
    first.set_weights(last.get_weights())
    y = channels_last(run(first, channels_first(x)))
    np.testing.assert_allclose(y, run(last, x), rtol=1e-12, atol=1e-12)
    assert first.compute_output_shape((None, 4, *[None] * rank)) == (None, 8, *[None] * rank)


UNKNOWN = [
    ("od", {"padding": "same", "strides": 2}),
    ("od", {"attention_sharing": False, "groups": 2, "padding": 1}),
    ("dy", {"padding": "same", "strides": 2}),
    ("cond", {"padding": 1, "groups": 2}),
]


@pytest.mark.parametrize(
    ("kind", "options", "data_format"),
    [
        *((*case, "channels_last") for case in UNKNOWN),
        (*UNKNOWN[0], "channels_first"),
        *(pytest.param(*case, "channels_first", marks=pytest.mark.slow) for case in UNKNOWN[1:]),
    ],
    ids=str,
)
def test_unknown_batch_height_and_width(kind, options, data_format):
    layer = made(kind, data_format=data_format, dtype="float32", **options)
    last = data_format == "channels_last"
    inputs = keras.Input((None, None, 4) if last else (4, None, None))
    model = keras.Model(inputs, keras.layers.ReLU()(layer(inputs)))
    assert model.output_shape == ((None, None, None, 8) if last else (None, 8, None, None))
    fill(layer)
    for batch, height, width in ((2, 8, 7), (1, 5, 9)):
        x = np.random.default_rng(0).random((batch, height, width, 4), "float32")
        x = x if last else channels_first(x)
        y = model.predict(x, verbose=0)
        assert y.shape == layer.compute_output_shape(x.shape)
        expected = np.maximum(run(layer, x), 0)
        np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (4, 5)])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("od", {}),
        ("od", {"attention_sharing": False, "norm": "layer"}),
        ("dy", {}),
        ("cond", {}),
    ],
    ids=str,
)
def test_a_batch_of_one_a_channel_and_a_pixel(kind, options, size):
    layer = made(kind, filters=1, padding=1, **options)
    x = maps(2, batch=1, channels=1, sizes=size)
    layer.build(x.shape)
    expected = dynamic_conv(fill(layer), x)
    for training in (False, True):
        y = run(layer, x, training=training)
        np.testing.assert_allclose(y, expected, rtol=1e-9, atol=1e-12)


def test_a_batch_of_one_leaves_the_running_statistics_alone():
    layer = ODConv2D(5, 3, padding=1, head_init="published")
    x = maps(2, batch=1).astype("float32")
    layer.build(x.shape)
    before = numpy(fill(layer).attention.bn.moving_variance)
    np.testing.assert_array_equal(numpy(layer(x, training=True)), numpy(layer(x, training=False)))
    np.testing.assert_array_equal(numpy(layer.attention.bn.moving_variance), before)


@pytest.mark.parametrize(
    ("kind", "options", "gain"),
    [
        ("od", {}, 1 / 8),
        ("od", {"spatial_activation": "softmax", "norm": "none"}, 1 / 36),
        ("od", {"attentions": ("filter", "kernel"), "attention_sharing": False}, 1 / 2),
        ("dy", {}, 1),
        ("cond", {"head_init": "zero"}, 3 / 2),
    ],
    ids=str,
)
def test_zero_heads_start_as_a_plain_convolution(kind, options, gain):
    layer = made(kind, kernel_num=3, padding="same", **options)
    x = maps(2)
    y = run(layer, x)
    plain = keras.ops.conv(x, numpy(layer.kernel).mean(0), padding="same")
    np.testing.assert_allclose(y, gain * numpy(plain), rtol=1e-9, atol=1e-12)
    assert gain == pytest.approx(layer.spec.start_gain)


@pytest.mark.parametrize("start", ["zero", "published"])
@pytest.mark.parametrize(("kind", "copies"), [("od", 1), ("dy", 4), ("cond", 4)])
def test_starting_values(kind, copies, start):
    keras.utils.set_random_seed(0)
    layer = LAYERS[kind][1](256, 3, groups=2, kernel_num=4, head_init=start, use_bias=True)
    layer.build((None, None, None, 64))
    kernels = numpy(layer.kernel)
    for kernel in kernels:
        assert kernel.std() == pytest.approx((2 / (256 * 9)) ** 0.5, rel=0.02)
        assert np.abs(kernel).max() > 3 * kernel.std()  # not truncated
    assert not np.allclose(kernels[0], kernels[1])
    assert layer.bias.shape == ((4, 256) if copies == 4 else (256,))
    assert not numpy(layer.bias).any()


@pytest.mark.parametrize("start", ["zero", "published"])
def test_starting_values_of_what_weighs_the_kernels(start):
    keras.utils.set_random_seed(0)
    options = {"filters": 256, "kernel_size": 1, "head_init": start, "kernel_num": 64}
    od, dy, cond = (made(kind, **options) for kind in LAYERS)
    for layer in (od, dy, cond):
        layer.build((None, None, None, 256))
    assert numpy(od.attention.fc.kernel).std() == pytest.approx((2 / 16) ** 0.5, rel=0.1)
    assert numpy(dy.attention.fc1.kernel).std() == pytest.approx((2 / 64) ** 0.5, rel=0.1)
    heads = {
        od.attention.filter_fc: (2 / 256) ** 0.5,
        dy.attention.fc2: (2 / 64) ** 0.5,
        cond.routing: (2 / (256 + 64)) ** 0.5,
    }
    for head, spread in heads.items():
        expected = 0 if start == "zero" else pytest.approx(spread, rel=0.1)
        assert numpy(head.kernel).std() == expected
        assert not numpy(head.bias).any()


@pytest.mark.parametrize("seed", [None, 5, "generator"])
def test_a_given_initializer_draws_each_kernel_on_its_own(seed):
    seed = keras.random.SeedGenerator(5) if seed == "generator" else seed
    start = keras.initializers.HeUniform(seed)
    layer = ODConv2D(64, 3, kernel_initializer=start, kernel_num=3)
    layer.build((None, None, None, 32))
    kernels = numpy(layer.kernel)
    limit = (6 / (32 * 9)) ** 0.5
    for kernel in kernels:
        assert np.abs(kernel).max() == pytest.approx(limit, rel=0.01)
    assert not np.allclose(kernels[0], kernels[1])
    assert not np.allclose(kernels[1], kernels[2])
