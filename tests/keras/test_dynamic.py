"""The three dynamic convolutions: data formats, unknown sizes and initializers."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from helpers import LAYERS, channels_first, channels_last, fill, numpy, run

from odconv_keras import ODConv2D
from tests.frameworks.test_layers import VARIANTS, spec_of
from tests.frameworks.test_layers import maps as of_a_batch

SIZES = (6, 5, 7)


def made(kind, rank=2, **options):
    options = {"filters": 8, "kernel_size": 3, "dtype": "float64"} | options
    return LAYERS[kind][rank - 1](**options)


def maps(rank, batch=2, channels=4, sizes=SIZES):
    shape = (batch, *sizes[:rank], channels)
    return np.random.default_rng(rank).standard_normal(shape)


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


@pytest.mark.parametrize(("kind", "options"), VARIANTS, ids=str)
def test_shapes_of_outputs(kit, kind, options):
    layer, x = kit.build(spec_of(kind, options)), channels_last(of_a_batch(2))
    assert layer.compute_output_shape(x.shape) == run(layer, x).shape


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
