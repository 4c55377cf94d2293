"""Rows on the disk at once, full digits, and a resumed log without what came after."""

from __future__ import annotations

import csv
import sys
from dataclasses import replace

import pytest

from odconv_training import Log, Score, parse
from tests.processes import run_process


@pytest.fixture
def options(tmp_path):
    return replace(parse([], "torch"), output=tmp_path / "run", quiet=True)


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def write(log, steps):
    for step in steps:
        log.train(step, step // 3, 0.1 / 3, 30 - step, 1 / (step + 3), 64)


def score(right):
    found = Score(2)
    found.add([[1, 0]] * 4, [0] * right + [1] * (4 - right))
    return found


def test_rows_are_there_before_the_log_is_closed(options):
    with Log(options, 0) as log:
        write(log, range(4))
        log.validation(0, 3, score(3))
        found = rows(options.output / "train.csv")
        assert [int(row["step"]) for row in found] == [0, 1, 2, 3]
        assert float(found[1]["learning_rate"]) == 0.1 / 3
        assert [float(row["loss"]) for row in found] == [1 / 3, 1 / 4, 1 / 5, 1 / 6]
        assert float(found[2]["images_per_second"]) > 0
        (validation,) = rows(options.output / "validation.csv")
    assert (validation["epoch"], validation["step"], validation["top1"]) == ("0", "3", "75.0")


def test_a_resumed_log_forgets_what_came_after(options):
    with Log(options, 0) as log:
        write(log, range(7))
        log.validation(0, 3, score(1))
        log.validation(1, 6, score(2))
    with Log(options, 4) as log:
        write(log, range(4, 6))
        log.validation(1, 6, score(4))
    assert [int(row["step"]) for row in rows(options.output / "train.csv")] == list(range(6))
    found = [(row["step"], row["top1"]) for row in rows(options.output / "validation.csv")]
    assert found == [("3", "25.0"), ("6", "100.0")]


def test_the_score_at_the_checkpoint_stays(options):
    with Log(options, 0) as log:
        log.validation(0, 3, score(1))
    Log(options, 3).close()
    assert len(rows(options.output / "validation.csv")) == 1


def test_a_fresh_start_forgets_all(options):
    with Log(options, 0) as log:
        write(log, range(3))
        log.validation(0, 3, score(1))
    Log(options, 0).close()
    assert rows(options.output / "train.csv") == rows(options.output / "validation.csv") == []


def test_half_a_row_of_a_killed_run_is_dropped(options):
    with Log(options, 0) as log:
        write(log, range(3))
    path = options.output / "train.csv"
    path.write_bytes(path.read_bytes()[:-5])
    Log(options, 9).close()
    assert [int(row["step"]) for row in rows(path)] == [0, 1]


def test_events_for_tensorboard(options):
    with Log(options, 0) as log:
        write(log, range(2))
    (events,) = (options.output / "tensorboard").iterdir()
    assert b"train/loss" in events.read_bytes()


def test_without_tensorboardx(options, tmp_path):
    code = (
        "import sys; sys.modules['tensorboardX'] = None\n"
        "from dataclasses import replace\n"
        "from pathlib import Path\n"
        "from odconv_training import Log, parse\n"
        "log = Log(replace(parse([], 'torch'), output=Path(sys.argv[1])), 0)\n"
        "log.train(0, 0, 0.1, 1.0, 2.0, 64)\n"
        "log.close()\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "run")]
    run_process(command)
    assert len(rows(tmp_path / "run" / "train.csv")) == 1
    assert not (tmp_path / "run" / "tensorboard").exists()


def test_a_quiet_run_says_nothing(options, capsys):
    with Log(options, 0) as log:
        write(log, range(2))
        log.validation(0, 2, score(2))
    assert capsys.readouterr() == ("", "")
