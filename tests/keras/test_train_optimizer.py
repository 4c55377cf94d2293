"""Stochastic gradient descent by PyTorch's rule."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from helpers import numpy

from odconv_keras.train import SGD


def expected(weight, gradients, rates, momentum, decay):
    velocity = np.zeros_like(weight)
    for gradient, rate in zip(gradients, rates, strict=True):
        velocity = momentum * velocity + gradient + decay * weight
        weight = weight - rate * velocity
    return weight


@pytest.mark.parametrize(("momentum", "decay"), [(0.9, 0.1), (0.0, 0.1), (0.9, 0.0)])
def test_the_rule_under_changing_rates(float64, momentum, decay):
    generator = np.random.default_rng(0)
    start, gradients = generator.normal(size=(3, 2)), generator.normal(size=(4, 3, 2))
    rates = (0.1, 0.4, 0.05, 0.2)
    weight = keras.Variable(start, dtype="float64")
    optimizer = SGD(0.1, momentum, decay)
    optimizer.build([weight])
    for gradient, rate in zip(gradients, rates, strict=True):
        optimizer.learning_rate = rate
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [weight])
    np.testing.assert_allclose(
        numpy(weight.value), expected(start, gradients, rates, momentum, decay), rtol=1e-14
    )


def test_clipping_is_over_all_weights():
    weights = [keras.Variable(np.zeros(2, "float32")) for _ in range(2)]
    optimizer = SGD(1.0, global_clipnorm=1.0)
    optimizer.build(weights)
    gradients = [np.array([3.0, 0.0], "float32"), np.array([0.0, 4.0], "float32")]
    optimizer.apply([keras.ops.convert_to_tensor(g) for g in gradients], weights)
    found = [numpy(weight.value) for weight in weights]
    np.testing.assert_allclose(found, [[-0.6, 0], [0, -0.8]], rtol=1e-5)


def test_the_configuration_comes_back():
    optimizer = SGD(0.3, 0.8, 1e-4, {"net/head/kernel": 5.0}, global_clipnorm=2.0)
    twin = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert type(twin) is SGD
    assert twin.get_config() == optimizer.get_config()
    assert (twin.momentum, twin.coupled_decay, twin.weight_decay) == (0.8, 1e-4, None)


def test_a_variable_may_have_a_rate_of_its_own():
    weights = [keras.Variable(np.zeros(2, "float32"), name=name) for name in ("body", "head")]
    optimizer = SGD(0.5, factors={weights[1].path: 4.0})
    optimizer.build(weights)
    gradient = keras.ops.convert_to_tensor(np.array([1.0, -2.0], "float32"))
    optimizer.apply([gradient, gradient], weights)
    found = [numpy(weight.value) for weight in weights]
    np.testing.assert_allclose(found, [[-0.5, 1], [-2, 4]])


@pytest.mark.parametrize("option", ["momentum", "weight_decay"])
def test_negative_numbers_are_refused(option):
    with pytest.raises(ValueError, match=f"{option}: expected no negative number"):
        SGD(**{option: -0.1})
