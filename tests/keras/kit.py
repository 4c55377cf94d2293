"""What the tests that all frameworks share ask of Keras. Arrays are NumPy's, channels first."""

from __future__ import annotations

import keras
import numpy as np
from helpers import channels_first, channels_last, numpy
from helpers import run as run_layer

import odconv_keras as package
from odconv_keras.layers import build_conv
from odconv_keras.models.factory import build_model
from odconv_spec import BackboneSpec
from weights_converter import assign

__all__ = ["build", "idle", "package", "run"]


def build(spec, arrays=None, dtype="float64"):
    """A built layer or network with random values or those of `arrays`."""
    if isinstance(spec, BackboneSpec):
        model = build_model(spec, dtype=dtype)
    else:
        model = build_conv(spec, dtype=dtype)
        model.build((None, *[None] * spec.rank, spec.in_channels))
    if arrays is not None:
        assign(model, arrays)
    return model


def run(call, x):
    """What a model, or a method of one, gives in inference: an array or a list of them."""
    x = channels_last(x)
    y = run_layer(call, x) if isinstance(call, keras.layers.Layer) else call(x)
    return keras.tree.map_structure(lambda value: first(numpy(value)), y)


def idle(model, x):
    """Names of the trainable arrays that stay as they are in a step of training."""
    inputs = keras.Input(channels_last(x).shape[1:], dtype=model.dtype_policy.compute_dtype)
    trained = keras.Model(inputs, model(inputs))
    # JAX compiles operation by operation what it runs eagerly; the others do not compile then.
    eagerly = keras.backend.backend() != "jax"
    trained.compile(keras.optimizers.SGD(1.0), "mse", run_eagerly=eagerly)
    before = [numpy(weight) for weight in model.trainable_weights]
    zeros = keras.tree.map_structure(lambda y: np.zeros((len(x), *y.shape[1:])), trained.outputs)
    trained.train_on_batch(channels_last(x), zeros)
    pairs = zip(model.trainable_weights, before, strict=True)
    return [weight.path for weight, value in pairs if np.array_equal(numpy(weight), value)]


def first(array):
    return channels_first(array) if array.ndim > 2 else array
