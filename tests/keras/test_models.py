"""The networks: names, sizes, numbers, options, and behaviour as Keras models."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from helpers import (
    assign,
    channels_first,
    numpy,
    run,
    variable,
)
from small import KINDS, SMALL, small

from odconv_keras import ODConv2D, create_model, set_temperature
from odconv_keras.layers.temperature import Tempered
from parity_tests.reference import random_arrays


def images(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize("name", SMALL)
def test_weights_stand_in_the_order_of_the_official_names(name):
    model = small(name)
    found = [weight for weight in model.weights if weight.name != "temperature"]
    expected = [variable(model, parameter) for parameter in model.spec.parameters()]
    assert [weight.path for weight in found] == [weight.path for weight in expected]


@pytest.mark.parametrize("name", KINDS[1:])
def test_channels_first_equals_channels_last(name):
    last = small(name, data_format="channels_last", dtype="float64")
    first = small(name, data_format="channels_first", dtype="float64")
    for model in (last, first):
        arrays = random_arrays(model.spec.parameters(), seed=3)
        assign(model, model.spec.parameters(), arrays)
    x = images(2, 33, 40, 3)
    np.testing.assert_allclose(run(first, channels_first(x)), run(last, x), rtol=1e-9, atol=1e-12)
    inputs = keras.Input((3, None, None))
    assert first.forward_features(inputs).shape == (None, first.num_features, None, None)


@pytest.mark.parametrize(
    "name", ["cond_resnet18", pytest.param("od_mobilenetv2_050", marks=pytest.mark.slow)]
)
def test_as_a_layer_of_a_functional_model_of_unknown_size(name):
    backbone = small(name)
    inputs = keras.Input((None, None, 3))
    features = backbone.forward_features(inputs)
    outputs = keras.layers.GlobalMaxPooling2D()(features)
    model = keras.Model(inputs, [outputs, backbone(inputs)])
    x = images(2, 33, 40, 3).astype("float32")
    pooled, logits = model.predict(x, verbose=0)
    assert features.shape == (None, None, None, backbone.num_features)
    assert pooled.shape == (2, backbone.num_features)
    np.testing.assert_allclose(logits, run(backbone, x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("padding", [1, "same"])
def test_inside_a_model_without_shapes_of_its_own(padding):
    """Keras finds its output shape by tracing, on JAX with symbols for the unknown sizes."""

    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.conv = ODConv2D(4, 3, strides=2, padding=padding)
            self.shortcut = ODConv2D(4, 1, strides=2)

        def call(self, inputs):
            return self.conv(inputs) + self.shortcut(inputs)

    model = Own()
    assert model(keras.Input((None, None, 3))).shape == (None, None, None, 4)
    assert model.predict(images(2, 7, 10, 3), verbose=0).shape == (2, 4, 5, 4)


def test_unknown_data_formats():
    with pytest.raises(ValueError, match="data_format: expected one of"):
        create_model("resnet18", data_format="NCHW")


def test_initial_classifier():
    keras.utils.set_random_seed(0)
    model = create_model("resnet18", stages=((64, 1),), stem_channels=32, num_classes=1000)
    assert numpy(model.fc.kernel).std() == pytest.approx(0.01, rel=0.02)
    assert not numpy(model.fc.bias).any()
    expected = (2 / (32 * 49)) ** 0.5
    assert numpy(model.conv1.kernel).std() == pytest.approx(expected, rel=0.1)


def test_temperature_reaches_every_layer_of_any_model():
    inside = keras.Sequential([ODConv2D(4, 3), keras.layers.ReLU()])
    inputs = keras.Input((None, None, 3))
    backbone = small("od_resnet18", head_init="published")
    outputs = keras.layers.GlobalMaxPooling2D()(inside(inputs))
    model = keras.Model(inputs, keras.layers.Add()([outputs[:, :1], backbone(inputs)]))
    set_temperature(model, 30.0)
    found = [layer for layer in model._flatten_layers() if isinstance(layer, Tempered)]
    assert len(found) == 5
    assert all(numpy(layer.temperature) == 30 for layer in found)
    x = images(2, 32, 40, 3).astype("float32")
    warm = run(backbone, x)
    backbone.set_temperature(1.0)
    assert not np.allclose(run(backbone, x), warm, rtol=1e-3)
