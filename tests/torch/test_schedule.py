"""The temperature scheduler."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from odconv_torch import CondConv2d, DyConv2d, ODConv2d, TemperatureLR, TemperatureScheduler


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


def with_optimizer(steps=4):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    return model, optimizer, TemperatureLR(optimizer, model, steps, start=9.0)


def test_beside_a_schedule_of_rates():
    model, optimizer, temperature = with_optimizer()
    rates = torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.1)
    both = torch.optim.lr_scheduler.ChainedScheduler([rates, temperature])
    found = []
    for _ in range(5):
        found.append((optimizer.param_groups[0]["lr"], temperatures(model)[0]))
        optimizer.step()
        both.step()
    expected = [(0.5, 9.0), (0.5, 7.0), (0.05, 5.0), (0.05, 3.0), (0.005, 1.0)]
    assert found == [pytest.approx(pair) for pair in expected]


def test_one_with_an_optimizer_goes_on_after_a_checkpoint(tmp_path):
    _, optimizer, scheduler = with_optimizer()
    optimizer.step()
    scheduler.step()
    torch.save(scheduler.state_dict(), tmp_path / "state.pt")
    model, optimizer, other = with_optimizer(steps=8)
    other.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert temperatures(model) == [7.0, 7.0]
    optimizer.step()
    other.step()
    assert other.temperature == 5.0
    with pytest.raises(ValueError, match="state_dict: expected"):
        other.load_state_dict(optimizer.state_dict())
