"""Batch norms whose statistics stay as they are in training."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import nn

from odconv_torch import ODConv2d, freeze_norms


def network():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), ODConv2d(4, 6, 3))
    for name, buffer in model.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            nn.init.uniform_(buffer, 0.5, 1.5)
    return model


def norms(model):
    return [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]


def stored(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(model):
    return model


def pickled(model):
    return pickle.loads(pickle.dumps(model))


@pytest.mark.parametrize("passed_on", [same, copy.deepcopy, pickled])
def test_statistics_stay_and_are_used(passed_on):
    model, x = network(), torch.randn(4, 3, 9, 8)
    expected = model.eval()(x)
    freeze_norms(model.train())
    model = passed_on(model)
    before = stored(model)
    y = model.train()(x)
    torch.testing.assert_close(y, expected)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert len(norms(model)) == 2  # one is in the attention
    assert model.training
    y.square().mean().backward()
    assert all(norm.weight.grad is not None for norm in norms(model))


def test_a_copy_is_frozen_by_itself():
    model = network()
    freeze_norms(model)
    twin = copy.deepcopy(model)
    for norm, other in zip(norms(model), norms(twin), strict=True):
        assert norm.train() is norm
        assert other.train() is other


def test_what_is_stored_stays_the_same():
    model = network()
    names = list(model.state_dict())
    freeze_norms(model)
    freeze_norms(model)
    assert list(model.state_dict()) == names
