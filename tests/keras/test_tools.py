"""The layers in the tools of Keras: copies, quantisation, LoRA, wrappers."""

from __future__ import annotations

import copy
import pickle

import keras
import numpy as np
import pytest
from helpers import numpy

from odconv_keras import CondConv2D, DyConv2D, ODConv2D, Routing

LAYERS = (ODConv2D, DyConv2D, CondConv2D)
X = np.random.default_rng(0).random((4, 9, 7, 4), "float32")
Y = np.random.default_rng(1).random((4, 3), "float32")


def network(layers=LAYERS):
    inputs = x = keras.Input((9, 7, 4))
    for layer in layers:
        x = layer(4, 3, padding="same", head_init="published", kernel_num=2)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(3)(x))


def temperatures(layer):
    return {float(numpy(w)) for w in layer.weights if w.name == "temperature"}


@pytest.mark.parametrize(
    "copied",
    [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m)), keras.models.clone_model],
    ids=["deepcopy", "pickle", "clone_model"],
)
def test_copies_of_a_model(copied):
    model = network()
    twin = copied(model)
    assert temperatures(twin) == {1.0}
    twin.set_weights(model.get_weights())
    np.testing.assert_allclose(numpy(twin(X)), numpy(model(X)), rtol=1e-6)


@pytest.mark.parametrize("layer", LAYERS)
def test_a_copy_of_a_layer_that_is_not_built(layer):
    twin = copy.deepcopy(layer(4, 3))
    twin(X)
    assert temperatures(twin) <= {1.0}


@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method")
def test_quantisation_reaches_the_classifier_alone():
    model = network((ODConv2D, CondConv2D))
    expected = numpy(model(X))
    before = [numpy(w) for layer in model.layers[1:3] for w in layer.weights]
    model.quantize("int8")
    after = [numpy(w) for layer in model.layers[1:3] for w in layer.weights]
    for ours, theirs in zip(before, after, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    error = np.abs(numpy(model(X)) - expected).max() / np.abs(expected).max()
    assert 0 < error < 0.05


def test_quantisation_of_a_layer_is_refused():
    layer = ODConv2D(4, 3)
    layer.build(X.shape)
    with pytest.raises(NotImplementedError, match="ODConv2D does not have a `quantize` method"):
        layer.quantize("int8")


@pytest.mark.parametrize("policy", ["int8_from_float32", "float8_from_mixed_bfloat16"])
@pytest.mark.parametrize("layer", [*LAYERS, Routing])
def test_a_policy_of_quantised_arithmetic_is_refused(layer, policy):
    size = (4,) if layer is Routing else (4, 3)
    with pytest.raises(NotImplementedError, match=f"floating point for .*received '{policy}'"):
        layer(*size, dtype=policy)


def test_wrong_contents_are_refused():
    layer = ODConv2D(4, 3)
    layer.build(X.shape)
    before = layer.get_weights()
    with pytest.raises(ValueError, match="expected 1 variables, but received 0"):
        layer.load_own_variables({})
    with pytest.raises(ValueError, match="must match"):
        layer.load_own_variables({"0": np.zeros((3, 3, 4, 4))})
    for ours, old in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, old)


def test_lora_reaches_the_classifier_alone():
    model = network()
    expected = numpy(model(X))
    adapted = [layer for layer in model._flatten_layers() if hasattr(layer, "enable_lora")]
    assert adapted == [model.layers[-1]]
    adapted[0].enable_lora(2)
    np.testing.assert_array_equal(numpy(model(X)), expected)


@pytest.mark.parametrize("layer", LAYERS)
def test_time_distributed(layer):
    inside = layer(4, 3, head_init="published")
    y = keras.layers.TimeDistributed(inside)(np.stack([X, X[::-1]], 1))
    expected = np.stack([numpy(inside(X)), numpy(inside(X[::-1]))], 1)
    np.testing.assert_allclose(numpy(y), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("layer", LAYERS)
def test_spectral_normalisation_is_of_the_bank(layer):
    inside = layer(4, 3, head_init="published")
    wrapper = keras.layers.SpectralNormalization(inside, power_iterations=30)
    wrapper(X, training=True)
    assert np.linalg.norm(numpy(inside.kernel).reshape(-1, 4), 2) == pytest.approx(1, rel=1e-2)


def test_gradients_of_two_halves_add_up():
    whole = network((DyConv2D,))
    halves = keras.models.clone_model(whole)
    halves.set_weights(whole.get_weights())
    whole.compile(keras.optimizers.SGD(0.5), "mse")
    halves.compile(keras.optimizers.SGD(0.5, gradient_accumulation_steps=2), "mse")
    whole.fit(X, Y, batch_size=4, verbose=0)
    halves.fit(X, Y, batch_size=2, shuffle=False, verbose=0)
    for one, other in zip(whole.weights, halves.weights, strict=True):
        np.testing.assert_allclose(numpy(one), numpy(other), rtol=1e-4, atol=1e-6)


def test_the_count_of_parameters():
    model = network()
    lines = []
    model.summary(print_fn=lambda line, **_: lines.append(line))
    total = sum(int(np.prod(w.shape)) for w in model.weights)
    assert model.count_params() == total
    assert f"Total params: {total:,}" in "\n".join(lines)
