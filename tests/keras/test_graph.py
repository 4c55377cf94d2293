"""The networks as functional models: layers that are reached, and what a file says of them."""

from __future__ import annotations

from functools import reduce

import keras
import numpy as np
import pytest
from helpers import channels_first, fill, numpy, run
from small import SMALL, small

from odconv_keras import Features
from odconv_keras.models.graph import layer_name

X = np.random.default_rng(0).random((2, 33, 40, 3), "float32")
USUAL = ("od_resnet18", "cond_mobilenetv2_050")
LAST = {"od_resnet18": "layer2.0", "cond_mobilenetv2_050": "features.4"}


@pytest.mark.parametrize("name", SMALL)
def test_attributes_and_names_lead_to_the_layers_of_the_graph(name):
    model = small(name)
    paths = model.by_path()
    assert len(paths) == len(model.layers) - 1  # of the images
    for path, layer in paths.items():
        assert reduce(getattr, path.split("."), model) is layer
        assert model.get_layer(layer_name(path)) is layer


@pytest.mark.parametrize("name", USUAL)
def test_the_output_of_a_layer_is_reached(name):
    model = fill(small(name))
    inner = keras.Model(model.inputs, model.get_layer(layer_name(LAST[name])).output)
    *_, last = model.forward_stages(X)
    np.testing.assert_allclose(run(inner, X), numpy(last), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_the_maps_of_the_graph(data_format):
    model = fill(small("od_resnet18", data_format=data_format))
    x = X if data_format == "channels_last" else channels_first(X)
    assert list(model.pyramid_outputs) == ["P1", "P2", "P3"]
    found = run(keras.Model(model.inputs, list(model.pyramid_outputs.values())), x)
    for y, expected in zip(found, model.forward_stages(x), strict=True):
        np.testing.assert_allclose(y, numpy(expected), rtol=1e-4, atol=1e-4)


def test_a_head_of_ones_own_on_the_output():
    body = small("od_resnet18", num_classes=0, global_pool="")
    outputs = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(body.output))
    model = keras.Model(body.input, outputs)
    assert model.predict(X, verbose=0).shape == (2, 2)
    assert len(model.trainable_weights) == len(body.trainable_weights) + 2


def test_the_summary_has_the_shapes_of_every_layer():
    lines = []
    model = small("od_resnet18", input_shape=(32, 48, 3))
    model.summary(print_fn=lambda line, **_: lines.append(line), line_length=120)
    text = "\n".join(lines)
    for name, shape in {
        "conv1 (StaticConv2D)": (None, 16, 24, 8),
        "maxpool (MaxPool)": (None, 8, 12, 8),
        "layer2_0 (BasicBlock)": (None, 4, 6, 16),
        "dropout (Dropout)": (None, 16),
        "fc (Linear)": (None, 5),
    }.items():
        (row,) = [line for line in text.splitlines() if name in line]
        assert str(shape) in row


def test_a_model_is_one_that_keras_plots():
    """`keras.utils.plot_model` draws the layers of such models, and one box for any other."""
    model = small("od_resnet18")
    functional = type(keras.Model(model.inputs, model.outputs))
    assert isinstance(model, functional)
    assert isinstance(Features(model, 1), functional)


def test_layers_of_ones_own():
    model = small("od_resnet18")
    other = keras.layers.Dense(5, name="fc")
    twin = model.with_layers({"fc": other})
    assert type(twin) is type(model)
    assert twin.fc is twin.get_classifier() is other
    assert len(twin.weights) == len(model.weights)
    with pytest.raises(ValueError, match=r"layers: expected some of .*'fc'.*received \['fd'\]"):
        model.with_layers({"fd": other})


def test_the_config_is_that_of_earlier_versions_where_nothing_is_new():
    config = small("od_resnet18").get_config()
    assert list(config) == ["name", "trainable", "dtype", "spec", "data_format"]
    assert "global_pool" not in config["spec"]


def test_a_frozen_network_stays_frozen():
    model = small("od_resnet18")
    model.trainable = False
    assert type(model).from_config(model.get_config()).trainable_weights == []
