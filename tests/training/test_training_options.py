"""Defaults, what is laid over them, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from odconv_spec import model_spec, to_json
from odconv_training import RECIPES, TrainingError, digits, parse


def options(*arguments):
    return parse(arguments, "torch")


def test_the_default_is_the_digits():
    found = options()
    assert (found.spec, found.data, found.recipe) == (digits.spec(), "digits", RECIPES["digits"])
    assert found.output == Path("runs/od_mobilenetv2_custom")
    assert (found.workers, found.seed, found.precision) == (0, 0, "float32")
    assert not found.resume


@pytest.mark.parametrize(
    ("model", "recipe", "dropout"),
    [
        ("od_resnet18", "resnet", 0.1),
        ("od_mobilenetv2_100", "mobilenetv2", 0.2),
        ("resnet18", "resnet", 0),
    ],
)
def test_the_published_recipe_and_dropout(model, recipe, dropout):
    found = options("--model", model, "--data", "photos")
    assert found.recipe == RECIPES[recipe]
    assert found.spec == model_spec(model, dropout=dropout)
    assert (found.output, found.workers) == (Path("runs") / model, 2)


def test_what_is_given_counts():
    found = options(
        *("--model", "od_resnet18", "--data", "photos", "--recipe", "mobilenetv2"),
        *("--option", "kernel_num=4", "--option", "head_init=published", "--option", "dropout=0.3"),
        *("--epochs", "3", "--lr", "0.2", "--temperature-epochs", "0", "--batch-size", "32"),
        *("--schedule", "constant", "--workers", "1", "--output", "here", "--clip-norm", "5"),
    )
    assert found.spec == model_spec("od_resnet18", kernel_num=4, head_init="published", dropout=0.3)
    recipe = found.recipe
    assert (recipe.epochs, recipe.lr, recipe.batch_size, recipe.schedule) == (
        3,
        0.2,
        32,
        "constant",
    )
    assert (recipe.temperature_epochs, recipe.weight_decay) == (0, 4e-5)
    assert (found.workers, found.output, found.clip_norm) == (1, Path("here"), 5.0)


def test_a_model_for_the_digits_has_no_dropout():
    assert options("--model", "od_resnet18").spec.dropout == 0


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        ([], False),
        (["--model", "resnet18"], True),
        (["--model", "resnet18", "--data", "photos", "--option", "dropout=0.1"], True),
        (["--model", "resnet18", "--option", "num_classes=12"], False),
    ],
)
def test_the_number_of_classes_is_told_or_left_to_the_data(arguments, left):
    assert options(*arguments).classes_from_data is left


def test_fine_tuning():
    recipe = options("--head-lr", "0.5", "--freeze-stages", "2", "--freeze-norms").recipe
    assert (recipe.head_lr, recipe.freeze_stages, recipe.freeze_norms) == (0.5, 2, True)
    assert recipe.head_factor == 10


def test_milestones_and_a_warm_up():
    steps = "--schedule", "step", "--milestones", "8", "11"
    recipe = options(*steps, "--warmup-steps", "500").recipe
    assert (recipe.milestones, recipe.warmup_steps) == ((8, 11), 500)


def test_a_network_of_ones_own(tmp_path):
    spec = model_spec("cond_resnet18", stages=[[16, 1], [24, 1]], num_classes=3)
    (tmp_path / "net.json").write_text(to_json(spec))
    found = options("--spec", str(tmp_path / "net.json"), "--data", "photos")
    assert found.spec == spec
    assert found.recipe == RECIPES["resnet"]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["--data", "photos"], "--model NAME or --spec"),
        (["--option", "kernel_num=2"], "--model NAME or --spec"),
        (["--spec", "net.json", "--model", "resnet18"], "--spec alone"),
        (["--model", "resnet19"], "did you mean"),
        (["--model", "resnet18", "--option", "kernel_num=4"], "kernel_num"),
        (["--lr", "0"], "lr: expected a positive number"),
        (["--head-lr", "0"], "head_lr: expected a positive number"),
        (["--freeze-stages", "9"], r"freeze_stages: expected .* received 9"),
        (["--milestones", "2", "--step-epochs", "3"], "--milestones or --step-epochs, .* both"),
        (["--milestones", "2"], "--milestones: expected the schedule 'step', received 'cosine'"),
    ],
)
def test_what_is_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        options(*arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--option", "kernel_num"],
        ["--batch-size", "0"],
        ["--seed", "-1"],
        ["--clip-norm", "0"],
        ["--clip-norm", "long"],
        ["--precision", "int8"],
        ["--recipe", "vgg"],
        ["--unknown"],
    ],
)
def test_what_cannot_be_read_ends_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        options(*arguments)
    assert stop.value.code == 2
    assert "odconv_torch.train: error:" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "[]", '{"family": "vgg"}'])
def test_a_file_without_a_spec_is_named(tmp_path, text):
    (tmp_path / "net.json").write_text(text)
    with pytest.raises(TrainingError, match=r"net\.json"):
        options("--spec", str(tmp_path / "net.json"))


def test_an_error_of_the_recipe_is_a_training_error():
    with pytest.raises(TrainingError, match="momentum"):
        options("--momentum", "-1")
