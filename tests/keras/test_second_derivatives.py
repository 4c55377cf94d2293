"""Gradients of gradients, as gradient penalties need them, beside differences of gradients."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from helpers import fill, numpy

from odconv_keras import CondConv2D, DyConv2D, ODConv2D


def squared_gradient(layer, x):
    """|d sum(y ** 2) / dx| ** 2 and its gradient with respect to x."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        return _tensorflow(layer, x)
    return _jax(layer, x) if backend == "jax" else _torch(layer, x)


def _tensorflow(layer, x):
    import tensorflow as tf

    x = tf.constant(x)
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            value = tf.reduce_sum(layer(x) ** 2)
        penalty = tf.reduce_sum(inner.gradient(value, x) ** 2)
    return float(penalty), outer.gradient(penalty, x).numpy()


def _jax(layer, x):
    import jax

    trained = [v.value for v in layer.trainable_variables]
    kept = [v.value for v in layer.non_trainable_variables]

    def value(x):
        return (layer.stateless_call(trained, kept, x)[0] ** 2).sum()

    penalty = jax.jit(jax.value_and_grad(lambda x: (jax.grad(value)(x) ** 2).sum()))
    return tuple(np.asarray(a) for a in penalty(x))


def _torch(layer, x):
    import torch

    x = torch.tensor(x, requires_grad=True)
    (first,) = torch.autograd.grad((layer(x) ** 2).sum(), x, create_graph=True)
    penalty = (first**2).sum()
    return float(penalty), numpy(torch.autograd.grad(penalty, x)[0])


@pytest.mark.parametrize(
    ("layer", "options"),
    [
        (ODConv2D, {}),
        (ODConv2D, {"kernel_size": 1, "strides": 2, "kernel_num": 1, "attentions": ("channel",)}),
        (ODConv2D, {"attention_sharing": False, "norm": "layer"}),
        (DyConv2D, {"groups": 2}),
        (CondConv2D, {"strides": 2}),
    ],
)
def test_a_gradient_penalty(layer, options):
    options = {"filters": 4, "kernel_size": 3, "kernel_num": 2} | options
    layer = layer(**options, head_init="published", dtype="float64")
    generator = np.random.default_rng(0)
    x, way = generator.standard_normal((2, 2, 5, 4, 4))
    layer.build(x.shape)
    fill(layer)
    _, gradient = squared_gradient(layer, x)
    step = 1e-5
    ahead, behind = (squared_gradient(layer, x + s * way)[0] for s in (step, -step))
    assert (gradient * way).sum() == pytest.approx((ahead - behind) / (2 * step), rel=1e-5)
