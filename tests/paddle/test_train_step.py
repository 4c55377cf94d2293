"""One step: gradient descent with momentum, decay, clipping, mixed precision."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
from train_helpers import ALONE, options

from odconv_paddle.models.factory import build_model
from odconv_paddle.train.step import Step


def step_of(tmp_path, recipe=None, **values):
    chosen = options(tmp_path, recipe=recipe, **values)
    paddle.seed(1)
    model = build_model(chosen.spec)
    model.train()
    return Step(model, chosen, ALONE)


def batches():
    generator = np.random.default_rng(5)
    for count in (5, 3):
        images = paddle.to_tensor(generator.normal(size=(count, 3, 20, 16)))
        yield images, paddle.to_tensor(generator.integers(0, 10, count))


@pytest.mark.filterwarnings("ignore:.*(float16|bfloat16|amp).*")
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_mixed_precision_trains(tmp_path, precision):
    """Paddle has no half precision on a CPU: there it computes in float32."""
    mixed, full = (step_of(tmp_path, precision=p, clip_norm=1.0) for p in (precision, "float32"))
    for images, labels in batches():
        losses = [s(0, images, labels, len(labels), 0.1, 2.0) for s in (mixed, full)]
        assert losses[0] == pytest.approx(losses[1], rel=0.03)
    for name, array in mixed.model.state_dict().items():
        assert array.dtype == paddle.float32
        np.testing.assert_allclose(array, full.model.state_dict()[name], rtol=0.05, atol=0.03)
