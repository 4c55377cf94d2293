"""Normalisation as in PyTorch: statistics, single values, precision, options."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from helpers import numpy

from odconv_keras import BatchNormalization, LayerNormalization


def filled(channels=3, **options):
    norm = BatchNormalization(**options)
    norm.build((None, None, None, channels) if norm.axis == -1 else (None, channels, None, None))
    generator = np.random.default_rng(1)
    for weight in norm.weights:
        weight.assign(generator.uniform(0.5, 1.5, channels))
    return norm


def normalised(x, norm, mean, variance):
    scale = numpy(norm.gamma) / np.sqrt(variance + 1e-5)
    return (x - mean) * scale + numpy(norm.beta)


@pytest.mark.parametrize("shape", [(2, 1, 1, 3), (1, 2, 1, 3), (4, 5, 2, 3)])
def test_training_normalises_by_the_batch_and_stores_the_unbiased_variance(shape):
    norm = filled(dtype="float64")
    before = [numpy(norm.moving_mean), numpy(norm.moving_variance)]
    x = np.random.default_rng(2).standard_normal(shape)
    y = numpy(norm(x, training=True))
    axes = (0, 1, 2)
    expected = normalised(x, norm, x.mean(axes), x.var(axes))
    np.testing.assert_allclose(y, expected, rtol=1e-9, atol=1e-12)
    mean, variance = x.mean(axes), x.var(axes, ddof=1)
    np.testing.assert_allclose(numpy(norm.moving_mean), 0.9 * before[0] + 0.1 * mean)
    np.testing.assert_allclose(numpy(norm.moving_variance), 0.9 * before[1] + 0.1 * variance)


@pytest.mark.parametrize("training", [False, None])
def test_inference_uses_the_running_statistics(training):
    norm = filled(dtype="float64")
    x = np.random.default_rng(2).standard_normal((4, 5, 2, 3))
    expected = normalised(x, norm, numpy(norm.moving_mean), numpy(norm.moving_variance))
    np.testing.assert_allclose(numpy(norm(x, training=training)), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("case", ["one value", "frozen"])
def test_running_statistics_stay(case):
    norm = filled(dtype="float64")
    norm.trainable = case != "frozen"
    x = np.random.default_rng(2).standard_normal((1, 1, 1, 3) if norm.trainable else (4, 5, 2, 3))
    before = [numpy(weight) for weight in norm.weights]
    np.testing.assert_array_equal(numpy(norm(x, training=True)), numpy(norm(x, training=False)))
    for weight, value in zip(norm.weights, before, strict=True):
        np.testing.assert_array_equal(numpy(weight), value)


def test_a_single_value_in_a_compiled_function_of_unknown_batch():
    norm = BatchNormalization()
    model = keras.Sequential([keras.Input((1, 1, 3)), norm])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    x = np.random.default_rng(2).standard_normal((3, 1, 1, 3)).astype("float32")
    model.train_on_batch(x[:1], x[:1])
    np.testing.assert_array_equal(numpy(norm.moving_variance), np.ones(3))
    model.train_on_batch(x, x)
    variance = 0.9 + 0.1 * x.var((0, 1, 2), ddof=1)
    np.testing.assert_allclose(numpy(norm.moving_variance), variance, rtol=1e-5)


def test_variance_of_data_far_from_zero():
    x = np.random.default_rng(2).standard_normal((64, 4, 4, 3)).astype("float32")
    far = (x + 4096).astype("float32")
    norm = BatchNormalization(momentum=0.0)
    y = numpy(norm(far, training=True))
    np.testing.assert_allclose(numpy(norm.moving_variance), far.var((0, 1, 2), ddof=1), rtol=1e-3)
    np.testing.assert_allclose(y.std((0, 1, 2)), 1, rtol=1e-2)


def test_half_precision_input_is_normalised_in_single_precision():
    norm = BatchNormalization(dtype="mixed_float16", momentum=0.0)
    x = np.random.default_rng(2).uniform(300, 400, (16, 16, 16, 3)).astype("float16")
    y = norm(x, training=True)  # the sum of squares is far above 65504
    assert keras.backend.standardize_dtype(y.dtype) == "float16"
    assert np.isfinite(numpy(y)).all()
    variance = x.astype("float64").var((0, 1, 2), ddof=1)
    np.testing.assert_allclose(numpy(norm.moving_variance), variance, rtol=1e-3)


def test_channels_first_axis():
    last, first = filled(dtype="float64"), filled(axis=1, dtype="float64")
    x = np.random.default_rng(2).standard_normal((4, 5, 2, 3))
    y = numpy(first(np.moveaxis(x, -1, 1), training=True))
    np.testing.assert_allclose(
        np.moveaxis(y, 1, -1), numpy(last(x, training=True)), rtol=1e-9, atol=1e-12
    )


def test_order_of_the_variables_names_them_in_a_file():
    names = [weight.name for weight in BatchNormalization().weights or filled().weights]
    assert names == ["gamma", "beta", "moving_mean", "moving_variance"]


@pytest.mark.parametrize("option", ["renorm", "synchronized"])
def test_options_without_a_counterpart_are_refused(option):
    with pytest.raises(ValueError, match=f"{option}: expected False, received True"):
        BatchNormalization(**{option: True})


def test_masks_are_refused():
    with pytest.raises(ValueError, match="mask: expected None"):
        filled()(np.zeros((2, 4, 4, 3)), mask=np.ones((2, 4, 4), bool))


def test_config_keeps_every_option():
    norm = BatchNormalization(axis=1, momentum=0.5, epsilon=1e-2, center=False, name="n")
    assert BatchNormalization.from_config(norm.get_config()).get_config() == norm.get_config()


@pytest.mark.parametrize("axis", [-1, 1, (1, 3)])
def test_layer_norm_of_each_sample(axis):
    norm = LayerNormalization(axis, dtype="float64")
    x = 5 + np.random.default_rng(2).standard_normal((3, 4, 2, 5))
    norm.build(x.shape)
    generator = np.random.default_rng(1)
    for weight in norm.weights:
        weight.assign(generator.standard_normal(weight.shape))
    axes = (axis,) if isinstance(axis, int) else axis
    shape = [size if index in [a % 4 for a in axes] else 1 for index, size in enumerate(x.shape)]
    expected = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 1e-5)
    expected = expected * numpy(norm.gamma).reshape(shape) + numpy(norm.beta).reshape(shape)
    np.testing.assert_allclose(numpy(norm(x)), expected, rtol=1e-9, atol=1e-12)
    assert LayerNormalization.from_config(norm.get_config()).get_config() == norm.get_config()


def test_layer_norm_of_half_precision():
    norm = LayerNormalization(center=False, scale=False, dtype="mixed_float16")
    x = np.random.default_rng(2).uniform(300, 400, (3, 512)).astype("float16")
    y = norm(x)  # the sum of squares is far above 65504
    assert keras.backend.standardize_dtype(y.dtype) == "float16"
    wide = x.astype("float64")
    expected = (wide - wide.mean(-1, keepdims=True)) / wide.std(-1, keepdims=True)
    np.testing.assert_allclose(numpy(y).astype("float64"), expected, atol=2e-3)


def test_layer_norm_refuses_another_norm():
    with pytest.raises(ValueError, match="rms_scaling: expected False, received True"):
        LayerNormalization(rms_scaling=True)
