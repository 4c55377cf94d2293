"""One step: gradient descent with momentum, decay, clipping, mixed precision."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F
from train_helpers import ALONE, options

from odconv_torch.models import build_model
from odconv_torch.train.step import Step, parameter_dtype

RATES = (0.3, 0.2)


def step_of(tmp_path, recipe=None, **values):
    chosen = options(tmp_path, recipe=recipe, **values)
    torch.manual_seed(1)
    return Step(build_model(chosen.spec, dtype=parameter_dtype(chosen.precision)), chosen, ALONE)


def batches(dtype=torch.float64):
    generator = torch.Generator().manual_seed(5)
    for count in (5, 3):
        images = torch.randn(count, 3, 20, 16, generator=generator, dtype=dtype)
        yield images, torch.randint(0, 10, (count,), generator=generator)


def by_hand(model, clip, momentum=0.9, decay=0.01):
    """Velocity = momentum * velocity + gradient + decay * weight; the losses of two batches."""
    velocity = [torch.zeros_like(p) for p in model.parameters()]
    losses = []
    for rate, (images, labels) in zip(RATES, batches(), strict=True):
        loss = F.cross_entropy(model(images), labels)
        gradients = torch.autograd.grad(loss, list(model.parameters()))
        norm = torch.cat([g.reshape(-1) for g in gradients]).norm()
        scale = 1.0 if clip is None or norm <= clip else clip / (norm + 1e-6)
        with torch.no_grad():
            for v, p, g in zip(velocity, model.parameters(), gradients, strict=True):
                v.copy_(momentum * v + scale * g + decay * p)
                p.sub_(rate * v)
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("clip", [None, 0.05])
def test_two_steps_by_hand(tmp_path, clip):
    values = {"precision": "float64", "clip_norm": clip}
    step = step_of(tmp_path, {"weight_decay": 0.01}, **values)
    expected = step_of(tmp_path, **values).model.train()
    expected.set_temperature(4.0)
    step.model.train()
    found = [
        step(index, images, labels, len(labels), rate, 4.0)
        for index, (rate, (images, labels)) in enumerate(zip(RATES, batches(), strict=True))
    ]
    assert found == pytest.approx(by_hand(expected, clip), abs=1e-12)
    for name, array in expected.state_dict().items():
        torch.testing.assert_close(step.model.state_dict()[name], array, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_mixed_precision_is_close_to_full(tmp_path, precision):
    mixed, full = (step_of(tmp_path, precision=p, clip_norm=1.0) for p in (precision, "float32"))
    # The usual first scale is one that overflows, and the step is then left out.
    mixed.scaler = torch.amp.GradScaler("cpu", init_scale=64.0, enabled=precision == "float16")
    for images, labels in batches(torch.float32):
        losses = [s(0, images, labels, len(labels), 0.1, 2.0) for s in (mixed, full)]
        assert losses[0] != losses[1]
        assert losses[0] == pytest.approx(losses[1], rel=0.03)
    for name, array in mixed.model.named_parameters():
        assert array.dtype == torch.float32
        torch.testing.assert_close(array, full.model.get_parameter(name), rtol=0.05, atol=0.03)


def test_a_gradient_that_overflows_is_not_taken(tmp_path):
    step = step_of(tmp_path, precision="float16")
    before = {name: p.detach().clone() for name, p in step.model.named_parameters()}
    images, labels = next(batches(torch.float32))
    scale = step.scaler.get_scale()
    step(0, images * 1e5, labels, len(labels), 0.1, 1.0)
    assert step.scaler.get_scale() < scale
    assert all(torch.equal(p, before[name]) for name, p in step.model.named_parameters())


def test_dropout_is_that_of_the_step(tmp_path):
    images, labels = next(batches(torch.float32))

    def loss(step_number, calls_before):
        step = step_of(tmp_path, {"lr": 1e-12}, spec={"dropout": 0.5})
        torch.rand(calls_before)
        return step(step_number, images, labels, len(labels), 1e-12, 1.0)

    torch.manual_seed(0)
    first = loss(7, 0)
    assert loss(7, 3) == first
    assert loss(8, 0) != first
