"""One step: gradient descent with momentum, decay, clipping, mixed precision."""

from __future__ import annotations

import pytest
import torch
from train_helpers import ALONE, options

from odconv_torch.models import build_model
from odconv_torch.train.step import Step, parameter_dtype


def step_of(tmp_path, recipe=None, **values):
    chosen = options(tmp_path, recipe=recipe, **values)
    torch.manual_seed(1)
    return Step(build_model(chosen.spec, dtype=parameter_dtype(chosen.precision)), chosen, ALONE)


def batches(dtype=torch.float64):
    generator = torch.Generator().manual_seed(5)
    for count in (5, 3):
        images = torch.randn(count, 3, 20, 16, generator=generator, dtype=dtype)
        yield images, torch.randint(0, 10, (count,), generator=generator)


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
