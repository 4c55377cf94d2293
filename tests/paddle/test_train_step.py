"""One step: gradient descent with momentum, decay, clipping, mixed precision."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
from paddle.nn import functional as F
from train_helpers import ALONE, options

from odconv_paddle.models.factory import build_model
from odconv_paddle.train.step import Step

RATES = (0.3, 0.2)


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


def by_hand(model, clip, momentum=0.9, decay=0.01):
    """Velocity = momentum * velocity + gradient + decay * weight; the losses of two batches."""
    weights = [p for p in model.parameters() if not p.stop_gradient]
    velocity = [np.zeros(p.shape) for p in weights]
    losses = []
    for rate, (images, labels) in zip(RATES, batches(), strict=True):
        loss = F.cross_entropy(model(images), labels)
        gradients = [g.numpy() for g in paddle.grad(loss, weights)]
        norm = np.sqrt(sum((g**2).sum() for g in gradients))
        scale = 1.0 if clip is None or norm <= clip else clip / norm
        for v, p, g in zip(velocity, weights, gradients, strict=True):
            v[...] = momentum * v + scale * g + decay * p.numpy()
            p.set_value(p.numpy() - rate * v)
        losses.append(float(loss))
    return losses


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("clip", [None, 0.05])
def test_two_steps_by_hand(tmp_path, clip):
    values = {"precision": "float64", "clip_norm": clip}
    step = step_of(tmp_path, {"weight_decay": 0.01}, **values)
    expected = step_of(tmp_path, **values).model
    expected.set_temperature(4.0)
    found = [
        step(index, images, labels, len(labels), rate, 4.0)
        for index, (rate, (images, labels)) in enumerate(zip(RATES, batches(), strict=True))
    ]
    assert found == pytest.approx(by_hand(expected, clip), abs=1e-12)
    for name, array in expected.state_dict().items():
        np.testing.assert_allclose(
            step.model.state_dict()[name], array, rtol=1e-10, atol=1e-12, err_msg=name
        )


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


def test_dropout_is_that_of_the_step(tmp_path):
    images, labels = next(batches())

    def loss(step_number, calls_before):
        step = step_of(tmp_path, {"lr": 1e-12}, spec={"dropout": 0.5})
        for _ in range(calls_before):
            paddle.rand([2])
        return step(step_number, images, labels, len(labels), 1e-12, 1.0)

    first = loss(7, 0)
    assert loss(7, 3) == first
    assert loss(8, 0) != first
