"""Every layer against the numbers that the published code gave."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
from canonical import assign, paddle_name, stored

from odconv_paddle.layers import build_layer, set_temperature
from parity_tests.golden.loader import golden_files, load_golden

# The others are compared by tests/parity, as all are.
KINDS = ("odconv", "dyconv", "condconv", "se", "cbam", "eca")
FILES = [name for name in golden_files() if name.startswith(KINDS)]
TRAINED = [name for name in FILES if load_golden(name).training]


def golden_layer(golden):
    layer = build_layer(golden.spec)
    assign(layer, golden.spec.parameters(), golden.arrays)
    set_temperature(layer, golden.temperature)
    return layer


def attentions(layer, x):
    """By name, without those that the layer does not have."""
    if hasattr(layer, "gates"):
        return layer.gates(x)
    found = layer.routing(x) if hasattr(layer, "routing") else layer.attention(x)
    named = {"kernel": found} if isinstance(found, paddle.Tensor) else found._asdict()
    return {name: attention for name, attention in named.items() if attention is not None}


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", FILES)
def test_evaluation(name):
    golden = load_golden(name)
    layer = golden_layer(golden)
    layer.eval()
    x = paddle.to_tensor(golden.input)
    np.testing.assert_allclose(layer(x), golden.output, rtol=1e-9, atol=1e-12)
    found = attentions(layer, x)
    assert set(found) == set(golden.attentions)
    for kind, attention in found.items():
        expected = golden.attentions[kind].reshape(attention.shape)
        np.testing.assert_allclose(attention, expected, rtol=1e-9)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", TRAINED)
def test_training(name):
    golden = load_golden(name)
    after = golden.training
    parameters = {parameter.name: parameter for parameter in golden.spec.parameters()}
    layer = golden_layer(golden)
    layer.train()
    x = paddle.to_tensor(golden.input, stop_gradient=False)
    y = layer(x)
    y.backward(paddle.to_tensor(after.grad_output))
    np.testing.assert_allclose(y, after.output, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(x.grad, after.grad_input, rtol=1e-9, atol=1e-11)
    trained = dict(layer.named_parameters())
    for name, gradient in after.grads.items():
        found = trained[paddle_name(parameters[name])].grad
        expected = stored(parameters[name], gradient)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11)
    state = layer.state_dict()
    for name, expected in after.statistics.items():
        np.testing.assert_allclose(
            state[paddle_name(parameters[name])], expected, rtol=1e-9, atol=1e-12
        )
