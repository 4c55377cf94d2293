"""Layers under `keras.RematScope`, which computes them again for the gradient."""

from __future__ import annotations

from contextlib import nullcontext

import keras
import numpy as np
import pytest
from helpers import fill, numpy

from odconv_keras import CondConv2D, DyConv2D, ODConv2D

X = np.random.default_rng(0).random((4, 9, 7, 4), "float32")
Y = np.random.default_rng(1).random((4, 3), "float32")


def trained(scope, layers=(ODConv2D, DyConv2D, CondConv2D), build=False):
    """The weights after four steps."""
    inputs = x = keras.Input((9, 7, 4))
    for make in layers:
        with scope:  # the functional model outside, as Keras' own fails inside on TensorFlow
            norm = {"norm": "layer"} if make is ODConv2D else {}
            layer = make(4, 3, padding="same", head_init="published", kernel_num=2, **norm)
            if build:
                layer.build(x.shape)
        x = layer(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = fill(keras.Model(inputs, keras.layers.Dense(3)(x)))
    before = [numpy(w) for w in model.trainable_weights]
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.fit(X, Y, batch_size=2, epochs=2, shuffle=False, verbose=0)
    after = [numpy(w) for w in model.trainable_weights]
    moved = sum(not np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert moved > len(before) // 2
    return after


@pytest.mark.slow
@pytest.mark.parametrize("build", [False, True])
@pytest.mark.usefixtures("float64")
def test_a_training_that_computes_layers_again(build):
    expected = trained(nullcontext())
    found = trained(keras.RematScope(mode="full"), build=build)
    for ours, plain in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-9, atol=1e-10)


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="it traces a function once")
@pytest.mark.parametrize(("mode", "times"), [("full", 2), ("larger_than", 2), (None, 1)])
def test_layers_are_computed_again(mode, times):
    seen = []

    def counted(x):
        seen.append(1)
        return keras.ops.tanh(x)  # PyTorch stops where all that a gradient needs is there again

    with keras.RematScope(mode=mode, output_size_threshold=1):
        layer = ODConv2D(3, 3, norm="layer", activation=counted)
    inputs = keras.Input((9, 7, 4))
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(layer(inputs)))
    model.compile("sgd", "mse", run_eagerly=True)
    model.train_on_batch(X, Y)  # on PyTorch the first one builds
    seen.clear()
    model.train_on_batch(X, Y)
    assert len(seen) == times
