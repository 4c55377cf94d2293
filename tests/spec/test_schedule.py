"""The temperature over the steps of a training."""

from __future__ import annotations

import pytest

from odconv_spec import linear_temperature


def test_it_falls_from_30_to_1_as_published():
    # 1 + max(0, 29 * (steps - step) / steps), where steps are ten epochs
    assert linear_temperature(0, 1000) == 30
    assert linear_temperature(500, 1000) == 15.5
    assert linear_temperature(999, 1000) == pytest.approx(1.029)
    assert linear_temperature(1000, 1000) == linear_temperature(10**9, 1000) == 1


def test_any_two_temperatures():
    assert [linear_temperature(step, 4, start=9, end=5) for step in range(6)] == [9, 8, 7, 6, 5, 5]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"step": -1}, "step: expected a whole number >= 0, received -1"),
        ({"step": 0.5}, "step: expected a whole number >= 0, received 0.5"),
        ({"steps": 0}, "steps: expected a whole number >= 1, received 0"),
        ({"start": 0}, "start: expected a number in"),
        ({"end": float("nan")}, "end: expected a number in"),
    ],
)
def test_wrong_values(options, message):
    with pytest.raises(ValueError, match=message):
        linear_temperature(**{"step": 1, "steps": 10} | options)
