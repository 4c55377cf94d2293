"""Training with `fit`, mixed precision, and a temperature that compiled functions see."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from helpers import numpy, run
from small import KINDS, published, small

from odconv_keras import CondConv2D, DyConv2D, ODConv2D, Routing
from odconv_keras.layers.pooling import global_mean
from tests.quick import quick


def data(batch=4):
    generator = np.random.default_rng(0)
    return generator.random((batch, 32, 40, 3), "float32"), np.arange(batch) % 5


@pytest.mark.parametrize("name", quick(["od_resnet18"], KINDS))
def test_fit_moves_every_weight_and_takes_a_last_batch_of_one(name):
    keras.utils.set_random_seed(1)
    model = small(name, **published(name))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss)
    before = {weight.path: numpy(weight) for weight in model.weights}
    x, labels = data(5)
    history = model.fit(x, labels, batch_size=4, shuffle=False, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    for weight in model.weights:
        same = np.array_equal(numpy(weight), before[weight.path])
        assert same == weight.path.endswith("/temperature"), weight.path
        assert np.isfinite(numpy(weight)).all()


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
@pytest.mark.parametrize(
    ("layer", "options"),
    [
        (ODConv2D, {}),
        (ODConv2D, {"groups": 2}),
        (ODConv2D, {"kernel_num": 1, "kernel_size": 1}),
        (ODConv2D, {"attention_sharing": False, "norm": "layer"}),
        (DyConv2D, {"groups": 2}),
        (CondConv2D, {}),
    ],
)
def test_a_layer_in_mixed_precision(precision, layer, options):
    options = {"filters": 6, "kernel_size": 3, "head_init": "published"} | options
    keras.utils.set_random_seed(0)
    exact = layer(**options, padding=1, use_bias=True)
    half = layer(**options, padding=1, use_bias=True, dtype=f"mixed_{precision}")
    x = np.random.default_rng(0).random((3, 9, 7, 4), "float32")
    for layer in (exact, half):
        layer.build(x.shape)
    half.set_weights(exact.get_weights())
    y = half(x, training=True)
    assert keras.backend.standardize_dtype(y.dtype) == precision
    assert {str(weight.dtype) for weight in half.weights} == {"float32"}
    expected = run(exact, x, training=True)
    error = np.abs(numpy(y).astype("float32") - expected).max() / np.abs(expected).max()
    assert 0 < error < {"float16": 5e-3, "bfloat16": 4e-2}[precision]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "precision"),
    [("od_resnet18", "float16"), ("dy_resnet50", "float16"), ("cond_mobilenetv2_050", "bfloat16")],
)
def test_fit_in_mixed_precision(name, precision):
    model = small(name, dtype=f"mixed_{precision}", **published(name))
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    x, labels = data()
    losses = model.fit(x, labels, batch_size=4, epochs=2, verbose=0).history["loss"]
    assert np.isfinite(losses).all()
    assert all(np.isfinite(numpy(weight)).all() for weight in model.weights)


def test_shared_routing_weights_in_mixed_precision():
    layer = CondConv2D(6, 3, router="shared", dtype="mixed_bfloat16")
    inputs = keras.Input((9, 7, 4))
    model = keras.Model(inputs, layer(inputs, Routing(8)(inputs)))
    x = np.random.default_rng(0).random((3, 9, 7, 4), "float32")
    y = model(x)
    assert keras.backend.standardize_dtype(y.dtype) == "bfloat16"
    assert np.isfinite(numpy(y).astype("float32")).all()


@pytest.mark.parametrize("norm", ["layer", "none"])
def test_a_layer_in_half_precision_alone(norm):
    layer = ODConv2D(6, 3, head_init="published", norm=norm, dtype="float16")
    x = np.random.default_rng(0).random((3, 9, 7, 4), "float32").astype("float16")
    y = layer(x)
    assert keras.backend.standardize_dtype(y.dtype) == "float16"
    shares = numpy(layer.attention(x).kernel).astype("float32").sum(-1)
    np.testing.assert_allclose(shares, 1, atol=2e-3)


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_jit_compiled_training_and_inference(name):
    """By XLA; Keras on PyTorch has no XLA on a CPU."""
    model = small(name, **published(name))
    x, labels = data()
    plain = run(model, x)
    compiles = keras.backend.backend() != "torch"
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss, jit_compile=compiles)
    np.testing.assert_allclose(model.predict(x, verbose=0), plain, rtol=1e-4, atol=1e-5)
    losses = model.fit(x, labels, batch_size=4, epochs=2, verbose=0).history["loss"]
    assert np.isfinite(losses).all()


def test_the_mean_of_a_large_map_does_not_overflow_in_half_precision():
    x = keras.ops.full((1, 64, 64, 3), 100, "float16")  # sums to 409600, above 65504
    assert keras.backend.standardize_dtype(global_mean(x).dtype) == "float16"
    assert (numpy(global_mean(x)) == 100).all()


def test_a_compiled_function_sees_the_temperature_change():
    model = small("od_resnet18", head_init="published")
    x, _ = data()
    cool = model.predict(x, verbose=0)
    model.set_temperature(30.0)
    warm = model.predict(x, verbose=0)
    assert not np.allclose(warm, cool, rtol=1e-3)
    np.testing.assert_allclose(warm, run(model, x), rtol=1e-4, atol=1e-5)
    model.set_temperature(1.0)
    np.testing.assert_array_equal(model.predict(x, verbose=0), cool)


def test_freezing_a_layer_freezes_its_attention():
    layer = ODConv2D(4, 3, head_init="published")
    x = np.random.default_rng(0).random((3, 9, 7, 4), "float32")
    layer.build(x.shape)
    layer.trainable = False
    assert not layer.trainable_weights
    before = numpy(layer.attention.bn.moving_mean)
    np.testing.assert_array_equal(numpy(layer(x, training=True)), numpy(layer(x)))
    np.testing.assert_array_equal(numpy(layer.attention.bn.moving_mean), before)
