"""What `compile` and an optimizer offer: XLA and averages of the weights."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from helpers import fill, numpy

from odconv_keras import CondConv2D, DyConv2D, ODConv2D

X = np.random.default_rng(0).random((3, 9, 7, 4), "float32")
Y = np.random.default_rng(1).random((3, 3), "float32")


def network(*layers):
    inputs = x = keras.Input((9, 7, 4))
    for layer in layers:
        shortcut = layer(4, 1, strides=2, head_init="published", kernel_num=2)(x)
        x = layer(4, 3, strides=2, padding=1, head_init="published", kernel_num=2)(x)
        x = keras.layers.Add()([x, shortcut])
    x = keras.layers.GlobalAveragePooling2D()(x)
    return fill(keras.Model(inputs, keras.layers.Dense(3)(x)))


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="it has no XLA")
@pytest.mark.slow
@pytest.mark.parametrize("layer", [ODConv2D, DyConv2D, CondConv2D])
def test_xla_computes_the_same(layer):
    """The last batch of each epoch, and of `predict`, has one sample."""
    models = []
    for compiled in (True, False):
        model = network(layer)
        model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=compiled)
        model.fit(X, Y, batch_size=2, epochs=2, shuffle=False, verbose=0)
        models.append(model)
    for ours, plain in zip(*(m.weights for m in models), strict=True):
        np.testing.assert_allclose(numpy(ours), numpy(plain), rtol=1e-4, atol=1e-5)
    ours, plain = (m.predict(X, batch_size=2, verbose=0) for m in models)
    np.testing.assert_allclose(ours, plain, rtol=1e-4, atol=1e-5)
    assert np.abs(plain - numpy(network(layer)(X))).max() > 1e-3  # it trained


@pytest.mark.parametrize(
    "layer",
    [CondConv2D, *(pytest.param(x, marks=pytest.mark.slow) for x in (ODConv2D, DyConv2D))],
)
def test_averaged_weights(layer):
    """The average starts at the weights after the first step."""
    model = network(layer)
    model.compile(keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.75), "mse")
    temperatures = [numpy(w) for w in model.weights if w.name == "temperature"]
    average = None
    for _ in range(3):
        model.train_on_batch(X, Y)
        values = [numpy(w) for w in model.trainable_weights]
        if average is None:
            average = values
        average = [0.75 * a + 0.25 * v for a, v in zip(average, values, strict=True)]
    model.optimizer.finalize_variable_values(model.trainable_weights)
    for weight, expected in zip(model.trainable_weights, average, strict=True):
        np.testing.assert_allclose(numpy(weight), expected, rtol=1e-5, atol=1e-6)
    assert temperatures == [numpy(w) for w in model.weights if w.name == "temperature"]
    assert any(np.abs(a - v).max() > 1e-4 for a, v in zip(average, values, strict=True))
