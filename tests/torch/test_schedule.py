"""The temperature scheduler."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from odconv_torch import CondConv2d, DyConv2d, ODConv2d, TemperatureScheduler


def network():
    return nn.Sequential(ODConv2d(3, 4, 3), nn.ReLU(), DyConv2d(4, 4, 3), CondConv2d(4, 4, 3))


def temperatures(model):
    return [t.item() for name, t in model.named_buffers() if name.endswith("temperature")]


def test_linear_then_constant():
    model = network()
    scheduler = TemperatureScheduler(model, steps=4, start=9.0, end=1.0)
    found = [scheduler.temperature]
    for _ in range(6):
        scheduler.step()
        found.append(scheduler.temperature)
        assert temperatures(model) == [found[-1]] * 2
    assert found == [9.0, 7.0, 5.0, 3.0, 1.0, 1.0, 1.0]


def test_the_start_is_set_at_once():
    model = network()
    TemperatureScheduler(model, steps=10)
    assert temperatures(model) == [30.0, 30.0]


def test_it_goes_on_after_a_checkpoint(tmp_path):
    scheduler = TemperatureScheduler(network(), steps=10)
    for _ in range(3):
        scheduler.step()
    torch.save(scheduler.state_dict(), tmp_path / "state.pt")
    model = network()
    other = TemperatureScheduler(model, steps=7, start=5.0)
    other.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert temperatures(model) == [pytest.approx(scheduler.temperature)] * 2
    other.step()
    scheduler.step()
    assert other.temperature == scheduler.temperature


def test_a_wrapped_network():
    model = nn.DataParallel(network())
    TemperatureScheduler(model, steps=3, start=4.0)
    assert temperatures(model) == [4.0, 4.0]


@pytest.mark.parametrize(
    "options", [{"steps": 0}, {"steps": 2.5}, {"steps": 3, "start": 0}, {"steps": 3, "end": -1.0}]
)
def test_wrong_options(options):
    with pytest.raises(ValueError, match="expected"):
        TemperatureScheduler(network(), **options)


def test_state_of_something_else():
    with pytest.raises(ValueError, match="state_dict: expected"):
        TemperatureScheduler(network(), steps=3).load_state_dict({"last_epoch": 3})
