"""A training that goes on for more epochs, and what it says before and after."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from odconv_training import BEST, Course, Facts, Progress, TrainingError, parse
from odconv_training.progress import content_of
from tests.training.number import END, STEPS, Number, last, run, source
from weights_converter.live.loading import Loaded

NAMES = tuple("0123456789")


@pytest.fixture
def options(tmp_path):
    words = ["--batch-size", "8", "--epochs", "2", "--output", str(tmp_path / "my run")]
    return replace(parse(words, "torch"), class_names=NAMES)


def longer(options, epochs):
    return replace(options, resume=True, recipe=replace(options.recipe, epochs=epochs))


def test_more_epochs_have_the_schedule_of_the_new_length(options):
    class Watched(Number):
        def step(self, step, images, labels, count, rate, temperature):
            rates.append((step, rate))
            return super().step(step, images, labels, count, rate, temperature)

    rates = []
    run(options)
    chosen = longer(options, 3)
    found = run(chosen, Watched(chosen))
    steps = range(END, END + STEPS)
    assert rates == [(step, chosen.recipe.learning_rate(step, STEPS)) for step in steps]
    assert json.loads(Progress.from_json(last(chosen)["odconv"]).recipe)["epochs"] == 3
    assert found.progress.epoch == 3


def test_fewer_epochs_are_another_training(options):
    run(options)
    run(longer(options, 3))
    with pytest.raises(TrainingError, match=r"recipe's epochs .* 3, received 2"):
        Course(longer(options, 2), source(), Number(options))


@pytest.mark.parametrize(
    "change", [{"head_lr": 0.5}, {"freeze_stages": 1}, {"freeze_norms": True}, {"lr": 1.0}]
)
def test_more_epochs_of_another_recipe_are_refused(options, change):
    run(options)
    chosen = longer(options, 3)
    with pytest.raises(TrainingError, match=f"recipe's {next(iter(change))}"):
        Course(replace(chosen, recipe=replace(chosen.recipe, **change)), source(), Number(options))


def test_a_checkpoint_of_an_earlier_version_goes_on(options):
    """It has no class names, no best epoch and nothing of fine-tuning."""
    run(options)
    path = options.output / "checkpoint.pth.tar"
    content = json.loads(path.read_text())
    progress = json.loads(content["odconv"])
    assert "head_lr" not in json.loads(progress["recipe"])
    del content["class_names"], progress["best_epoch"]
    path.write_text(json.dumps(content | {"odconv": json.dumps(progress)}))
    assert run(longer(options, 3)).progress.epoch == 3


def test_other_classes_are_refused(options):
    run(options)
    chosen = replace(longer(options, 3), class_names=NAMES[::-1])
    with pytest.raises(TrainingError, match="class names of the training to resume"):
        Course(chosen, source(), Number(options))


def test_the_content_has_the_names(options):
    content = content_of(options, Progress.of(options, 1, 0, 0.0), 0.0)
    assert json.loads(content["class_names"]) == list(NAMES)


def test_what_is_said_before_and_after(options, capsys):
    chosen = replace(options, image_size=96, data="my photos")
    run(chosen, Number(chosen, right=(7, 4)))
    out = capsys.readouterr().out
    best, count = options.output / BEST["torch"], options.spec.trainable_count()
    for line in (
        f"network od_mobilenetv2_custom (kernel_num=4, 10 classes), {count:,} parameters, "
        "1 of them trained",
        "device  abacus, torch, float32",
        "data    my photos: 44 images to train with, 10 to validate with",
        "classes 10: 0, 1, 2, 3, 4, 5 and 4 more",
        "recipe  2 epochs, batches of 8, rate 0.05, cosine",
        "start   random weights",
        f"writes  {options.output}: checkpoint.pth.tar, model_best.pth.tar, train.csv, "
        "validation.csv",
        f"best    top-1 70.00 % after epoch 0, in {best}",
        f"next    odconv evaluate '{best}' --data 'my photos' --framework torch --image-size 96",
        f"        odconv predict '{best}' IMAGE --framework torch --image-size 96",
        f"        odconv convert '{best}' '{best.with_name('model_best.safetensors')}'",
    ):
        assert f"{line}\n" in out, line


def test_what_is_said_of_a_start(options, capsys, tmp_path):
    loaded = Loaded(
        dropped={}, skipped=("fc.weight", "fc.bias"), defaulted={}, notes=(), temperature=None
    )
    chosen = replace(options, start=tmp_path / "a.pth", steps=2)
    trainer = Number(chosen)
    trainer.facts = Facts("abacus", 1, loaded)
    run(chosen, trainer)
    out = capsys.readouterr().out
    assert "a.pth, without its head: fc.weight, fc.bias start at random\n" in out
    assert "stopped after step 2; --resume continues\n" in out
    run(longer(options, 3))
    assert "start   continues after step 2 of 15\n" in capsys.readouterr().out


def test_a_quiet_training_says_nothing(options, capsys):
    run(replace(options, quiet=True))
    assert capsys.readouterr() == ("", "")
