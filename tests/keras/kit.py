"""What the tests that all frameworks share ask of Keras. Arrays are NumPy's, channels first."""

from __future__ import annotations

from functools import reduce

import keras
import numpy as np
from helpers import channels_first, channels_last, fill, numpy
from helpers import run as run_layer

import odconv_keras as package
from odconv_keras.layers import DynamicConv, build_layer
from odconv_keras.layers.build import layer_class
from odconv_keras.models.factory import build_model
from odconv_spec import BackboneSpec, LinearSpec, RecalibrationSpec
from weights_converter import assign

__all__ = [
    "TAKES_EMPTY_BATCHES",
    "at",
    "build",
    "dynamic",
    "freeze",
    "idle",
    "layer_class",
    "network",
    "norm",
    "package",
    "run",
    "seed",
    "temperatures",
    "trains",
]
TAKES_EMPTY_BATCHES = keras.backend.backend() != "tensorflow"
seed = keras.utils.set_random_seed


def build(spec, arrays=None, dtype="float64"):
    """A built layer or network with random values or those of `arrays`."""
    if isinstance(spec, BackboneSpec):
        model = build_model(spec, dtype=dtype)
    else:
        model = build_layer(spec, dtype=dtype)
        channels = spec.channels if isinstance(spec, RecalibrationSpec) else spec.in_channels
        rank = 0 if isinstance(spec, LinearSpec) else getattr(spec, "rank", 2)
        model.build((None, *[None] * rank, channels))
    if arrays is not None:
        assign(model, arrays)
    return model


def run(call, x, training=False):
    """What a model, or a method of one in inference, gives: an array or a list of them."""
    x = channels_last(x)
    y = run_layer(call, x, training) if isinstance(call, keras.layers.Layer) else call(x)
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


def network():
    """Static layers with random arrays, see tests/frameworks/test_replace.py."""
    conv, exact = keras.layers.Conv2D, {"dtype": "float64"}
    inside = [
        conv(6, (3, 2), 2, name="0", **exact),
        keras.layers.ReLU(**exact),
        keras.layers.DepthwiseConv2D(3, name="2", **exact),
    ]
    layers = [
        keras.Input((None, None, 3), dtype="float64"),
        conv(4, 3, use_bias=False, name="0", **exact),
        keras.layers.BatchNormalization(**exact),
        keras.layers.ReLU(**exact),
        keras.Sequential(inside, name="3"),
        keras.layers.Conv2DTranspose(3, 2, name="4", **exact),
    ]
    return fill(keras.Sequential(layers))


def at(model, path):
    return reduce(lambda layer, name: layer.get_layer(name), path.split("."), model)


def dynamic(model):
    return [layer for layer in model._flatten_layers() if isinstance(layer, DynamicConv)]


def freeze(layer):
    layer.trainable = False


def trains(layer):
    return bool(layer.trainable_weights)


def norm(rank, arrays, eps=1e-5):
    """A batch norm with these arrays, which may lack scale and shift."""
    affine = "weight" in arrays
    layer = keras.layers.BatchNormalization(
        epsilon=eps, center=affine, scale=affine, dtype="float64"
    )
    layer.build((*[None] * (rank + 1), len(arrays["running_mean"])))
    assign(layer, arrays)
    return layer


def temperatures(model):
    return {float(weight) for weight in model.weights if weight.path.endswith("/temperature")}
