"""Rates and temperatures at the steps that the papers name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from odconv_training import DROPOUTS, RECIPES, TrainingError


def test_the_rate_of_resnet_is_divided_every_30_epochs():
    recipe = RECIPES["resnet"]
    rates = [recipe.learning_rate(epoch * 5 + 4, 5) for epoch in (0, 29, 30, 59, 60, 90, 99)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.0001, 0.0001], rel=1e-15)


def test_the_rate_of_mobilenetv2_is_a_cosine_to_zero():
    recipe = RECIPES["mobilenetv2"]
    total = 150 * 7
    rates = [recipe.learning_rate(step, 7) for step in (0, total // 4, total // 2, total)]
    assert rates == pytest.approx([0.05, 0.04269, 0.025, 0], abs=1e-4)
    assert recipe.learning_rate(1, 7) < recipe.learning_rate(0, 7)  # anew every step


def test_a_constant_rate():
    recipe = replace(RECIPES["digits"], schedule="constant")
    assert recipe.learning_rate(0, 3) == recipe.learning_rate(1000, 3) == 0.05


def test_the_rate_falls_at_milestones_and_rises_before():
    """The numbers of mmcv's linear warm-up, by hand."""
    chosen = {"lr": 0.02, "milestones": (2, 3), "warmup_steps": 4, "step_epochs": 1}
    recipe = replace(RECIPES["resnet"], **chosen)
    rates = [recipe.learning_rate(step, 5) for step in (0, 1, 3, 4, 9, 10, 14, 15, 40)]
    rising = [0.00002, 0.005015, 0.015005]
    assert rates == pytest.approx([*rising, 0.02, 0.02, 0.002, 0.002, 2e-4, 2e-4], rel=1e-12)


def test_the_temperature_falls_over_its_epochs():
    recipe = RECIPES["resnet"]
    found = [recipe.temperature(step, 4) for step in (0, 20, 40, 400)]
    assert found == pytest.approx([30, 15.5, 1, 1])
    assert RECIPES["digits"].temperature(8 * 23, 23) == 1
    assert RECIPES["digits"].temperature(8 * 23 - 1, 23) > 1


@pytest.mark.parametrize("step", [0, 1, 500])
def test_no_annealing(step):
    assert replace(RECIPES["digits"], temperature_epochs=0).temperature(step, 23) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("batch_size", 0),
        ("lr", 0.0),
        ("lr", float("nan")),
        ("momentum", -0.1),
        ("schedule", "linear"),
        ("temperature_start", 0.0),
        ("temperature_epochs", float("inf")),
        ("weight_decay", -1e-4),
        ("step_epochs", 0),
        ("milestones", (11, 8)),
    ],
)
def test_a_value_out_of_range(name, value):
    with pytest.raises(TrainingError, match=name):
        replace(RECIPES["digits"], **{name: value})


def test_published_numbers():
    assert (RECIPES["resnet"].weight_decay, RECIPES["mobilenetv2"].weight_decay) == (1e-4, 4e-5)
    assert {recipe.momentum for recipe in RECIPES.values()} == {0.9}
    assert DROPOUTS["od_resnet50"] == 0.2


def test_equal_recipes_have_equal_text():
    assert replace(RECIPES["resnet"]).to_json() == RECIPES["resnet"].to_json()
    assert replace(RECIPES["resnet"], lr=0.2).to_json() != RECIPES["resnet"].to_json()
