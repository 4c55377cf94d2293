"""A folder that holds a run is left as it is, unless the user says what to do with it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from odconv_training import BEST, LAST, Log, Score, TrainingError, check_output, parse
from odconv_training.earlier import remove_earlier

OWN = "paddle"


@pytest.fixture
def options(tmp_path):
    return replace(parse([], OWN), output=tmp_path / "run", quiet=True)


def started(options, steps, epochs=0):
    """What a training leaves that has taken so many steps, without its checkpoints."""
    with Log(options, 0) as log:
        for step in range(steps):
            log.train(step, 0, 0.1, 1.0, 2.5, 64)
        for epoch in range(epochs):
            score = Score(2)
            score.add([[1, 0]], [0])
            log.validation(epoch, steps, score)


def check(options):
    check_output(options, OWN, lambda seen: seen)


def put(options, *names):
    options.output.mkdir(exist_ok=True)
    for name in names:
        (options.output / name).write_bytes(b"arrays")


def refused(options):
    with pytest.raises(TrainingError) as caught:
        check(options)
    message = str(caught.value)
    assert str(options.output) in message
    assert "\n" not in message
    assert "--resume" in message
    assert "--overwrite" in message


@pytest.mark.parametrize("name", [*LAST.values(), *BEST.values()])
def test_a_checkpoint_of_any_framework_is_a_run(options, name):
    put(options, name)
    refused(options)


def test_a_table_with_a_row_is_a_run(options):
    started(options, 1)
    refused(options)
    (options.output / "train.csv").unlink()
    check(options)
    started(options, 0, epochs=1)
    refused(options)


def test_a_run_that_has_not_taken_a_step_is_none(options):
    """Its options may have been wrong, or its batches too large for the memory."""
    started(options, 0)
    put(options, LAST[OWN])
    check(options)


def test_other_files_are_none_of_ours(options):
    check(options)  # there is no folder
    put(options, "notes.txt", "pretrained.pdparams", "events.csv")
    check(options)


@pytest.mark.parametrize("word", ["overwrite", "evaluate"])
def test_the_user_says_so(options, word):
    started(options, 3)
    put(options, LAST[OWN], BEST[OWN])
    check(replace(options, **{word: True}))


def test_a_resume_needs_a_checkpoint_of_its_own_framework(options):
    resumed = replace(options, resume=True)
    started(resumed, 3)
    put(resumed, LAST["torch"])
    refused(resumed)  # it would begin anew, and empty the tables
    put(resumed, LAST[OWN])
    check(resumed)


def test_a_resume_begins_where_there_is_nothing(options):
    check(replace(options, resume=True))


@pytest.mark.parametrize("seen", [True, False])
def test_the_first_process_decides(options, seen):
    """Its folder may be on another machine."""
    put(options, *(() if seen else (BEST[OWN],)))
    asked = []

    def from_first(value):
        asked.append(value)
        return seen

    if seen:
        with pytest.raises(TrainingError, match="holds a run already"):
            check_output(options, OWN, from_first)
    else:
        check_output(options, OWN, from_first)
    assert asked == [not seen]


def test_what_a_new_run_does_not_replace_itself_is_removed(options):
    put(options, *LAST.values(), *BEST.values(), "notes.txt")
    remove_earlier(options.output, OWN)
    assert sorted(path.name for path in options.output.iterdir()) == [LAST[OWN], "notes.txt"]
