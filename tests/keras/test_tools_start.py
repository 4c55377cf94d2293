"""Code that goes over a model's convolutions: what weighs the kernels is out of its reach."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from helpers import numpy

from odconv_keras import CondConv2D, DyConv2D, ODConv2D, Routing
from odconv_keras.layers import Pointwise
from odconv_spec import ConvSpec

FRAMEWORKS = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D, keras.layers.Dense)
# What a file holds, by name and order, for 4 channels: as ever.
STORED = {
    ODConv2D: ["kernel", "temperature", "fc", "bn", "channel_fc", "filter_fc", "spatial_fc"],
    DyConv2D: ["kernel", "bias", "temperature", "fc1", "fc2"],
    CondConv2D: ["kernel", "bias", "routing"],
}


def network(layer, **options):
    model = keras.Sequential([keras.Input((9, 7, 4)), layer(6, 3, **options)])
    x = np.random.default_rng(0).random((3, 9, 7, 4), "float32")
    return model, x


def convolutions(model):
    return [x for x in model._flatten_layers() if isinstance(x, FRAMEWORKS)]


@pytest.mark.parametrize("layer", STORED)
def test_a_users_own_start_reaches_no_attention(layer):
    model, x = network(layer, head_init="zero")
    before = numpy(model(x))
    for found in convolutions(model):
        found.kernel.assign(keras.initializers.HeNormal(1)(found.kernel.shape))
    np.testing.assert_array_equal(numpy(model(x)), before)
    assert not convolutions(model)


@pytest.mark.parametrize("layer", STORED)
def test_the_names_and_their_order(layer):
    model, _ = network(layer)
    found = []
    for path in (w.path.split("/") for w in model.layers[0].weights):
        name = path[-2] if path[-2] not in (model.layers[0].name, "attention") else path[-1]
        found += [name] if name not in found else []
    assert sorted(found) == sorted([*STORED[layer], *(["kernel_fc"] if layer is ODConv2D else [])])
    shapes = {"/".join(w.path.split("/")[-2:]): w.shape for w in model.weights}
    expected = {
        ODConv2D: {"fc/kernel": (1, 1, 4, 16), "filter_fc/kernel": (1, 1, 16, 6)},
        DyConv2D: {"fc1/kernel": (1, 1, 4, 1), "fc2/bias": (4,)},
        CondConv2D: {"routing/kernel": (4, 8), "routing/bias": (8,)},
    }
    assert shapes.items() >= expected[layer].items()


@pytest.mark.parametrize("dtype", ["float64", "float32", "mixed_bfloat16"])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_a_pointwise_layer_is_a_convolution(rank, dtype):
    spec = ConvSpec(in_channels=5, out_channels=3, kernel_size=1, bias=True, rank=rank)
    layer = Pointwise(spec, dtype=dtype)
    x = np.random.default_rng(0).standard_normal((2, *[1] * rank, 5))
    layer.build(x.shape)
    for weight in layer.weights:
        weight.assign(np.random.default_rng(1).standard_normal(weight.shape))
    y = layer(x)
    expected = x @ numpy(layer.kernel).reshape(5, 3) + numpy(layer.bias)
    error = np.abs(numpy(y).astype("float64") - expected).max()
    assert error < {"float64": 1e-13, "float32": 1e-5, "mixed_bfloat16": 0.1}[dtype]
    assert y.shape == layer.compute_output_shape(x.shape) == expected.shape
    twin = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert (twin.spec, twin.get_config()) == (spec, layer.get_config())


def test_a_head_may_be_a_convolution_of_keras():
    model, x = network(ODConv2D, head_init="published")
    attention = model.layers[0].attention
    expected = numpy(model(x))
    conv = keras.layers.Conv2D(6, 1)
    conv.build((None, 1, 1, 16))
    conv.set_weights(attention.filter_fc.get_weights())
    attention._tracker.unlock()
    attention.filter_fc = conv
    np.testing.assert_allclose(numpy(model(x)), expected, rtol=1e-5, atol=1e-6)


def test_a_router_of_an_earlier_version():
    """Its config named the options of Dense."""
    config = Routing(3).get_config() | {"quantization_config": None}
    assert Routing.from_config(config).get_config() == Routing(3, name=config["name"]).get_config()
    with pytest.raises(ValueError, match="expected a plain router, received a config with"):
        Routing.from_config(config | {"lora_rank": 2})
