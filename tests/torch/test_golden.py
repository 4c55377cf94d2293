"""The layers against the numbers that the published ones gave."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from odconv_torch.layers import build_layer, set_temperature
from parity_tests.golden.loader import golden_files, load_golden

SCALING = ("se", "cbam", "eca")
# The others are compared by tests/parity, as all are.
FILES = [n for n in golden_files() if n.startswith(("odconv", "dyconv", "condconv", *SCALING))]


def golden_layer(golden):
    layer = build_layer(golden.spec, dtype=torch.float64)
    state = {name: torch.tensor(array) for name, array in golden.arrays.items()}
    counters = [name for name in layer.state_dict() if name.endswith("num_batches_tracked")]
    layer.load_state_dict(state | dict.fromkeys(counters, torch.tensor(0)))
    set_temperature(layer, golden.temperature)
    return layer


@pytest.mark.parametrize("name", FILES)
def test_evaluation(name):
    golden = load_golden(name)
    layer = golden_layer(golden).eval()
    x = torch.tensor(golden.input)
    np.testing.assert_allclose(layer(x).detach(), golden.output, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", [n for n in FILES if n.startswith("odconv")])
def test_each_attention(name):
    golden = load_golden(name)
    found = golden_layer(golden).eval().attention(torch.tensor(golden.input))._asdict()
    assert {kind for kind, a in found.items() if a is not None} == set(golden.attentions)
    for kind, expected in golden.attentions.items():
        attention = found[kind].detach()
        np.testing.assert_allclose(attention, expected.reshape(attention.shape), rtol=1e-9)


@pytest.mark.parametrize("name", [n for n in FILES if n.startswith(SCALING)])
def test_each_gate(name):
    golden = load_golden(name)
    found = golden_layer(golden).eval().gates(torch.tensor(golden.input))
    assert found.keys() == golden.attentions.keys()
    for kind, expected in golden.attentions.items():
        np.testing.assert_allclose(found[kind].detach(), expected, rtol=1e-9)


@pytest.mark.parametrize("name", [n for n in FILES if load_golden(n).training])
def test_training(name):
    golden = load_golden(name)
    after = golden.training
    layer = golden_layer(golden).train()
    x = torch.tensor(golden.input, requires_grad=True)
    y = layer(x)
    y.backward(torch.tensor(after.grad_output))
    np.testing.assert_allclose(y.detach(), after.output, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(x.grad, after.grad_input, rtol=1e-9, atol=1e-11)
    for key, parameter in layer.named_parameters():
        np.testing.assert_allclose(parameter.grad, after.grads[key], rtol=1e-9, atol=1e-11)
    for key, expected in after.statistics.items():
        np.testing.assert_allclose(layer.state_dict()[key], expected, rtol=1e-9, atol=1e-12)
