"""The layers in `fit` against the numbers of published implementations.

The parity suite compares all of these numbers in passes of its own.
"""

from __future__ import annotations

import keras
import numpy as np
import pytest
from helpers import assign, channels_last, extract

from odconv_keras import set_temperature
from odconv_keras.layers import build_layer
from parity_tests.golden.loader import load_golden

FILES = ("odconv_01", "odconv_02", "dyconv_08", "condconv_11", "se_01", "cbam_01", "eca_01")


def built(golden):
    spec = golden.spec
    layer = build_layer(spec, dtype="float64")
    layer.build((None, *golden.input.shape[2:], golden.input.shape[1]))
    assign(layer, spec.parameters(), golden.arrays)
    set_temperature(layer, golden.temperature)
    return layer


class _Weighted(keras.losses.Loss):
    """Its gradient is the array that is given for the labels."""

    def call(self, y_true, y_pred):
        return y_true * y_pred


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", FILES)
def test_golden_training(name):
    """One step of plain SGD with rate 1 takes the gradients from the arrays."""
    golden = load_golden(name)
    after, parameters = golden.training, golden.spec.parameters()
    layer = built(golden)
    x, grad_y = channels_last(golden.input), channels_last(after.grad_output)
    model = keras.Sequential([keras.Input(x.shape[1:]), layer])
    # The gradient of this loss does not wait for the output, and in TensorFlow's graphs of plain
    # dense layers, too, the update then sometimes comes before the output is computed.
    eagerly = keras.backend.backend() == "tensorflow"
    weighted = _Weighted(reduction="sum", dtype="float64")
    model.compile(keras.optimizers.SGD(1.0), weighted, run_eagerly=eagerly)
    before = extract(layer, parameters)
    loss = model.train_on_batch(x, grad_y)
    assert loss == pytest.approx((after.output * after.grad_output).sum(), rel=1e-5)
    found = extract(layer, parameters)
    for key, grad in after.grads.items():
        np.testing.assert_allclose(before[key] - found[key], grad, rtol=1e-9, atol=1e-11)
    for key, expected in after.statistics.items():
        np.testing.assert_allclose(found[key], expected, rtol=1e-9, atol=1e-12)
