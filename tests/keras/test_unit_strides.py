"""No pointwise convolution has a stride: TensorFlow's may end the process in its gradient."""

from __future__ import annotations

from functools import partial

import keras
import numpy as np
import pytest
from graphs import pointwise_with_stride, strided
from helpers import LAYERS as DYNAMIC
from helpers import channels_first, channels_last, fill, numpy, run
from small import SMALL
from test_second_derivatives import squared_gradient

from benchmarks import strides
from odconv_keras import create_model
from odconv_keras.layers import StaticConv1D, StaticConv2D, StaticConv3D
from odconv_spec import ConvSpec
from parity_tests.reference import evaluate
from weights_converter import extract

LAYERS = {
    "static": (StaticConv1D, StaticConv2D, StaticConv3D),
    **DYNAMIC,
}
SIZES = (7, 6, 5)
OPTIONS = [
    {},
    {"padding": 1},
    {"padding": "same"},
    {"groups": 2},
    {"filters": 4, "groups": 4},
]
tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the graphs are TensorFlow's"
)


def made(kind, rank, **options):
    strides = (2, 3, 2)[:rank]
    options = {"filters": 8, "kernel_size": 1, "strides": strides, "use_bias": True} | options
    return LAYERS[kind][rank - 1](**options)


def maps(rank, batch=1):
    return np.random.default_rng(rank).standard_normal((batch, *SIZES[:rank], 4))


def reference(spec, layer, x):
    return channels_last(evaluate(spec, extract(layer), channels_first(x)).output)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_a_static_pointwise_convolution_with_strides(rank, options):
    layer = made("static", rank, dtype="float64", **options)
    x = maps(rank, batch=2)
    layer.build(x.shape)
    fill(layer)
    spec = ConvSpec(
        in_channels=4,
        out_channels=layer.filters,
        kernel_size=1,
        stride=layer.strides,
        padding=0 if layer.padding == "same" else layer.padding,
        groups=layer.groups,
        bias=True,
        rank=rank,
    )
    expected = reference(spec, layer, x)
    y = run(layer, x)
    np.testing.assert_allclose(y, expected, rtol=1e-9, atol=1e-12)
    assert layer.compute_output_shape(x.shape) == y.shape


@pytest.mark.parametrize("kind", ["od", "dy", "cond"])
def test_a_dynamic_pointwise_convolution_with_unequal_strides(kind):
    layer = made(kind, 2, dtype="float64", padding=((1, 0), (0, 2)), groups=2)
    x = maps(2, batch=3)
    layer.build(x.shape)
    expected = reference(layer.spec, fill(layer), x)
    np.testing.assert_allclose(run(layer, x), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("padding", [pytest.param(1, marks=pytest.mark.slow), "same"])
def test_unknown_batch_and_sizes(padding):
    layer = made("static", 2, padding=padding)
    inputs = keras.Input((None, None, 4))
    model = fill(keras.Model(inputs, layer(inputs)))
    for batch, height, width in ((2, 8, 7), (1, 5, 9), (1, 1, 1)):
        x = np.random.default_rng(0).random((batch, height, width, 4), "float32")
        y = model.predict(x, verbose=0)
        assert y.shape == layer.compute_output_shape(x.shape)
        np.testing.assert_allclose(y, run(layer, x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("strides", [(2, 2, 2), (3, 2, 4)], ids=str)
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_first_and_second_derivatives(rank, strides):
    _check_derivatives(lambda layer: layer, rank, strides[:rank])


@tensorflow
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_derivatives_of_unknown_batch_and_sizes(rank):
    import tensorflow as tf

    inputs = [tf.TensorSpec((None,) * (rank + 1) + (4,), "float64")]
    _check_derivatives(partial(tf.function, input_signature=inputs), rank, (2, 3, 2)[:rank])


@tensorflow
def test_derivatives_in_xla():
    import tensorflow as tf

    _check_derivatives(partial(tf.function, jit_compile=True), 2, (2, 3))


def _check_derivatives(wrapped, rank, strides):
    """Of y = seen @ kernel + bias, where `seen` are the positions of the map that are taken."""
    layer = made("static", rank, dtype="float64", strides=strides)
    x = maps(rank, batch=2)
    layer.build(x.shape)
    kernel = numpy(fill(layer).kernel).reshape(4, 8)
    steps = (slice(None), *(slice(None, None, step) for step in strides))
    first, expected = np.zeros_like(x), np.zeros_like(x)
    first[steps] = 2 * (x[steps] @ kernel + numpy(layer.bias)) @ kernel.T
    expected[steps] = 4 * first[steps] @ kernel @ kernel.T
    penalty, second = squared_gradient(wrapped(layer), x)
    assert float(penalty) == pytest.approx((first**2).sum(), rel=1e-12)
    np.testing.assert_allclose(second, expected, rtol=1e-9, atol=1e-9)


@tensorflow
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_the_graph_of_a_static_layer(rank, options):
    assert not strided(made("static", rank, **options), (1, *SIZES[:rank], 4))


@tensorflow
@pytest.mark.parametrize("kind", ["od", "dy", "cond"])
def test_the_graph_of_a_dynamic_layer(kind):
    assert not strided(made(kind, 2, padding=1), (1, *SIZES[:2], 4))


@tensorflow
@pytest.mark.slow
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("known", [True, False])
def test_the_graph_of_every_layer(kind, rank, options, known):
    layer = made(kind, rank, **options)
    sizes = SIZES[:rank] if known else (None,) * rank
    assert not strided(layer, (1 if known else None, *sizes, 4))


@tensorflow
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("od", {"kernel_num": 1, "attentions": ("channel",)}),
        pytest.param("od", {"attention_sharing": False}, marks=pytest.mark.slow),
    ],
)
def test_the_graph_of_other_forms(kind, options):
    assert not strided(made(kind, 2, **options), (1, 8, 10, 4))


@tensorflow
@pytest.mark.parametrize(
    ("name", "like"),
    [
        pytest.param("od_resnet18", "od_resnet18", marks=pytest.mark.slow),
        ("resnet18", "od_resnet18"),
        pytest.param("resnet50", "dy_resnet50", marks=pytest.mark.slow),
        pytest.param("dy_resnet50", "dy_resnet50", marks=pytest.mark.slow),
        pytest.param("cond_resnet18", "cond_resnet18", marks=pytest.mark.slow),
        pytest.param("od_mobilenetv2_050", "od_mobilenetv2_050", marks=pytest.mark.slow),
        pytest.param("mobilenetv2_050", "mobilenetv2_050", marks=pytest.mark.slow),
    ],
)
def test_the_graph_of_a_network(name, like):
    options = {k: v for k, v in SMALL[like].items() if k in ("stages", "stem_channels")}
    model = create_model(name, num_classes=5, **options)
    assert not pointwise_with_stride(model, (1, 32, 40, 3))


@tensorflow
def test_the_benchmark_says_a_ratio(monkeypatch, capsys):
    monkeypatch.setattr(strides, "SHAPES", (((2, 5, 7, 3), 4),))
    assert strides.main(["--rounds", "2"]) == 0
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines()[-2:]]
    assert [row[:2] for row in rows] == [["| 2x5x7x3", "forward"], ["| 2x5x7x3", "gradients"]]
    assert all(float(number.removesuffix(" |")) > 0 for row in rows for number in row[2:])


@tensorflow
def test_the_search_finds_what_it_looks_for():
    plain = keras.layers.Conv2D(8, 1, strides=2)
    assert len(pointwise_with_stride(plain, (1, 8, 10, 4))) == 2  # forward and one gradient
    assert len(strided(plain, (1, 8, 10, 4))) == 3
    mapped = keras.layers.Lambda(
        lambda x: keras.ops.map(
            lambda one: keras.ops.conv(one[None], np.ones((1, 1, 4, 2), "float32"), strides=2), x
        )
    )
    assert pointwise_with_stride(mapped, (3, 8, 10, 4))
    assert not pointwise_with_stride(keras.layers.Conv2D(8, (1, 3), strides=2), (1, 8, 10, 4))
