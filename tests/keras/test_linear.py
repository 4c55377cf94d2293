"""The fully connected layer, of inputs with any number of axes."""

from __future__ import annotations

import numpy as np
import pytest
from keras import ops

from odconv_keras.layers.linear import Linear


@pytest.mark.parametrize("shape", [(2, 3), (2, 25, 3), (2, 1, 25, 3), (3, 2, 25, 3)])
def test_each_row_meets_the_kernel(shape):
    """Again and again: TensorFlow's product of (batch, 1, ...) may end it on AVX-512."""
    layer = Linear(8)
    layer.build(shape)
    draw = np.random.default_rng(3)
    kernel, bias = (draw.standard_normal(weight.shape) for weight in layer.weights)
    layer.set_weights([kernel, bias])
    x = draw.standard_normal(shape).astype(np.float32)
    for _ in range(50):
        y = ops.convert_to_numpy(layer(x))
        np.testing.assert_allclose(y, x @ kernel + bias, rtol=0, atol=1e-5)
