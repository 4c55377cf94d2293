"""The course of a training with a trainer of one number: what is saved, scored and resumed when."""

from __future__ import annotations

import json
import pickle
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from odconv_training import (
    BEST,
    LAST,
    Course,
    Processes,
    Score,
    TrainingError,
    parse,
)
from tests.training.number import END, Number, last, run, saved, source


@pytest.fixture
def options(tmp_path):
    words = ["--batch-size", "8", "--epochs", "2", "--quiet", "--output", str(tmp_path / "run")]
    return parse(words, "torch")


def test_the_last_batch_holds_the_rest(options):
    trainer = run(options).trainer
    steps = [call[1:] for call in trainer.calls if call[0] == "step"]
    sizes = [8, 8, 8, 8, 12] * 2
    assert steps == [(step, size, size) for step, size in enumerate(sizes)]


def test_the_start_and_each_epoch_are_saved(options):
    assert saved(run(options).trainer)[0] == (0, 0)
    assert last(options)["step"] == END
    assert last(options)["epoch"] == 2


def test_a_checkpoint_every_n_steps(options):
    chosen = replace(options, checkpoint_steps=2, steps=8)
    found = saved(run(chosen, Number(chosen, right=(0, 0))).trainer)
    assert found == [(0, 0), (2, 0), (4, 0), (5, 1), (5, 1), (6, 1), (8, 1)]  # 5: best and last


def test_the_best_is_kept(options):
    chosen = replace(options, recipe=replace(options.recipe, epochs=3))
    course = run(chosen, Number(chosen, right=(2, 5, 4)))
    best = json.loads((options.output / BEST["torch"]).read_text(encoding="utf-8"))
    assert (best["epoch"], best["best_acc"], best["acc"]) == (2, 50.0, 50.0)
    end = last(options)
    assert (end["epoch"], end["best_acc"], end["acc"]) == (3, 50.0, 40.0)
    assert course.top1 == 40.0
    assert course.progress.best_top1 == 50.0


def test_a_kill_between_best_and_last_repeats_the_epoch(options):
    class Killed(Number):
        def write(self, path, content):
            if content["epoch"] == 1 and (self.options.output / BEST["torch"]).exists():
                raise MemoryError
            super().write(path, content)

    with pytest.raises(MemoryError):
        run(options, Killed(options))
    assert last(options)["step"] == 0
    assert run(replace(options, resume=True)).trainer.weight == run(options).trainer.weight


def test_statistics_are_averaged_before_they_are_scored_and_saved(options):
    calls = run(options).trainer.calls
    for at, call in enumerate(calls):
        if call == "answers" or (call[0] == "write" and calls[at - 1][0] != "write"):
            assert calls[at - 1] == "average"


def test_a_fresh_start_leaves_nothing_of_an_older_run_to_resume(options):
    class Fails(Number):
        def step(self, *arguments):
            raise MemoryError

    run(options)
    with pytest.raises(MemoryError):
        run(options, Fails(options))
    assert last(options)["step"] == 0


@pytest.mark.parametrize("stop", range(1, END))
def test_a_resumed_training_is_the_whole(options, tmp_path, stop):
    whole = run(replace(options, output=tmp_path / "whole"))
    run(replace(options, steps=stop))
    rest = run(replace(options, resume=True))
    steps = [call[1] for call in rest.trainer.calls if call[0] == "step"]
    assert steps == list(range(stop, END))
    assert rest.trainer.weight == whole.trainer.weight
    assert rest.progress == whole.progress
    tables = [
        [row.rpartition(",")[0] for row in (folder / "train.csv").read_text().splitlines()]
        for folder in (options.output, tmp_path / "whole")
    ]
    assert tables[0] == tables[1]  # but for the speed


def test_a_resume_without_a_checkpoint_starts(options):
    assert Course(replace(options, resume=True), source(), Number(options)).progress.step == 0


def test_the_accuracy_of_the_last_epoch_is_resumed(options):
    chosen = replace(options, steps=7)
    run(chosen, Number(chosen, right=(3,)))
    resumed = Course(replace(options, resume=True), source(), Number(options))
    assert resumed.top1 == 30.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 1}, "seed of the training to resume, 0, received 1"),
        ({"recipe": {"lr": 0.5}}, "recipe's lr .* received 0.5"),
    ],
)
def test_another_training_is_refused(options, change, message):
    run(replace(options, steps=1))
    if "recipe" in change:
        change = {"recipe": replace(options.recipe, **change["recipe"])}
    chosen, trainer = replace(options, resume=True, **change), Number(options)
    with pytest.raises(TrainingError, match=message):
        Course(chosen, source(), trainer)
    assert trainer.weight == 0.5


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("bad magic\nnumber"),
        EOFError("bad magic"),
        KeyError("bad magic"),
        pickle.UnpicklingError("bad magic"),
        zipfile.BadZipFile("bad magic"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_damaged_checkpoint_is_named(options, error):
    class Damaged(Number):
        def read(self, path):
            raise error

    run(replace(options, steps=1))
    with pytest.raises(TrainingError) as caught:
        Course(replace(options, resume=True), source(), Damaged(options))
    message = str(caught.value)
    assert message.startswith(f"{options.output / LAST['torch']}: expected a checkpoint, received")
    assert "bad magic" in message
    assert "\n" not in message


@pytest.mark.parametrize("text", ["{}", "[]", "3"])
def test_a_checkpoint_without_progress_is_refused(options, text):
    options.output.mkdir()
    (options.output / LAST["torch"]).write_text(text, encoding="utf-8")
    with pytest.raises(TrainingError, match="without its progress; --start takes the weights"):
        Course(replace(options, resume=True), source(), Number(options))


def test_a_file_that_may_not_be_read_is_no_damage(options):
    class Locked(Number):
        def read(self, path):
            raise PermissionError(13, "Permission denied", str(path))

    run(replace(options, steps=1))
    with pytest.raises(PermissionError):
        Course(replace(options, resume=True), source(), Locked(options))


def test_the_last_checkpoint_is_evaluated(options, capsys):
    run(options)
    trainer = Number(options, right=(7,))
    Course(replace(options, evaluate=True), source(), trainer).evaluate()
    assert capsys.readouterr().out.startswith("top-1 70.00 %, top-5 ")
    assert trainer.weight == last(options)["weight"]
    assert trainer.calls == ["answers"]


def test_a_start_is_evaluated_in_place_of_the_last_checkpoint(options, tmp_path):
    run(options)
    trainer = Number(options)
    Course(replace(options, evaluate=True, start=tmp_path / "any"), source(), trainer).evaluate()
    assert trainer.weight == 0.5


def test_there_must_be_something_to_evaluate(options):
    with pytest.raises(TrainingError, match=r"expected --start CKPT or a checkpoint .* neither"):
        Course(replace(options, evaluate=True), source(), Number(options))


class Second(Processes):
    """The second of two.

    Args:
        given: what the first one gives it.
        counted: the score of the first one.
    """

    def __init__(self, given=None, counted=0.0):
        super().__init__(1, 2)
        self.given = given
        self.counted = counted

    def from_first(self, value):
        assert value is None
        return self.given

    def total(self, values):
        return super().total(values) + self.counted


def test_a_process_trains_on_its_share_and_writes_nothing(options, capsys):
    trainer = run(options, Number(options, Second())).trainer
    steps = [call[1:] for call in trainer.calls if call[0] == "step"]
    sizes = [8, 8, 8, 8, 12] * 2
    assert steps == [(step, size // 2, size) for step, size in enumerate(sizes)]
    assert saved(trainer) == []
    assert not options.output.exists()
    Course(options, source(), trainer).evaluate()
    assert capsys.readouterr().out == ""


def test_a_process_resumes_what_the_first_has_read(options, tmp_path):
    run(replace(options, steps=3))
    elsewhere = replace(options, output=tmp_path / "empty", resume=True)
    course = Course(elsewhere, source(), Number(options, Second(last(options))))
    assert course.progress.step == 3
    assert course.trainer.weight == last(options)["weight"]


def test_scores_are_added_over_processes(options):
    """The second has looked at the last five of ten images; the first has got all of its right."""
    first = Score(10)
    first.add(np.eye(10)[:5], range(5))
    trainer = Number(options, Second(counted=first.as_array()), right=(8, 8))
    assert run(options, trainer).top1 == 100 * (5 + 3) / 10


def test_a_batch_needs_a_sample_for_each_process(options):
    with pytest.raises(TrainingError, match="9 processes"):
        run(options, Number(options, Processes(1, 9)))
