"""Arrays out of and into Keras layers and models."""

from __future__ import annotations

from dataclasses import replace

import keras
import pytest

from odconv_keras import ODConv2D
from tests.frameworks.test_loading import SPECS, body_of
from weights_converter import MismatchError, UsageError, convert, extract
from weights_converter.identify.open_model import open_model


def test_functional_models_use_the_names_of_their_layers():
    x = inputs = keras.Input((9, 9, 3))
    x = keras.layers.Conv2D(8, 3, name="stem")(x)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = ODConv2D(8, 3, name="dynamic")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, keras.layers.Dense(2, name="head")(x))
    arrays = extract(model)
    assert arrays["dynamic.weight"].shape == (4, 8, 8, 3, 3)
    assert arrays["head.weight"].shape == (2, 8)
    assert {name.partition(".")[0] for name in arrays} == {"stem", "norm", "dynamic", "head"}


def test_layers_without_a_canonical_form_are_named():
    model = keras.Sequential([keras.Input((9, 9, 3)), keras.layers.Conv2DTranspose(4, 2)])
    with pytest.raises(MismatchError, match=r"2 arrays belong to layers without a canonical form"):
        extract(model)


def test_a_layer_without_arrays_yet():
    with pytest.raises(UsageError, match="has no arrays yet"):
        extract(ODConv2D(4, 3))


@pytest.mark.parametrize("name", ["od_resnet18", "resnet50"])
def test_a_body_in_its_own_file(kit, tmp_path, name):
    body = body_of(kit, SPECS[name])
    body(keras.ops.ones((1, 32, 32, 3)))  # Keras saves what was called once
    body.save_weights(tmp_path / "x.weights.h5")
    weights = open_model(tmp_path / "x.weights.h5")
    assert weights.spec == replace(SPECS[name], num_classes=0)
    expected = extract(body)
    assert weights.tensors.keys() == expected.keys()
    for key, tensor in weights.tensors.items():
        assert tensor.load().tobytes() == expected[key].tobytes()
    body.load_weights(tmp_path / "x.weights.h5")
    convert(tmp_path / "x.weights.h5", tmp_path / "y.weights.h5")
    body.load_weights(tmp_path / "y.weights.h5")
    assert all(a.tobytes() == expected[key].tobytes() for key, a in extract(body).items())
