"""Trainings by paddle.distributed.launch: two processes against one, and a process that dies."""

from __future__ import annotations

import os
import signal
import subprocess

import numpy as np
import pytest
from train_helpers import ENVIRONMENT, ROOT, call, command, last, spec_file

from odconv_training import BEST
from tests.trainings import child_with, rows, wait_for_steps

SHORT = ("--batch-size", 33, "--epochs", 2, "--seed", 3)


@pytest.mark.slow
def test_twenty_steps_of_two_processes_are_those_of_one(tmp_path):
    """Shares of 17 and 16 samples."""
    common = (*SHORT, "--spec", spec_file(tmp_path), "--steps", 20, "--precision", "float64")
    call(*common, "--output", tmp_path / "one")
    two = ("--output", tmp_path / "two", "--sync-norm")
    call(*common, *two, processes=2, logs=tmp_path / "logs")
    one, two = (rows(tmp_path / name / "train.csv")["loss"] for name in ("one", "two"))
    assert len(one) == 20
    np.testing.assert_allclose(two, one, rtol=1e-7, atol=1e-7)
    arrays, others = (last(tmp_path / name)["state_dict"] for name in ("one", "two"))
    assert arrays.keys() == others.keys()
    for name, array in arrays.items():
        np.testing.assert_allclose(others[name], array, rtol=1e-7, atol=1e-7, err_msg=name)


@pytest.mark.slow
def test_a_killed_process_stops_the_others_and_a_resume_goes_on(tmp_path):
    common = ("--spec", spec_file(tmp_path), "--batch-size", 64, "--epochs", 40)
    common += ("--checkpoint-steps", 5, "--output", tmp_path / "run")
    start = command(*common, processes=2, logs=tmp_path / "logs")
    with subprocess.Popen(
        start,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | ENVIRONMENT,
        cwd=ROOT,
    ) as launch:
        wait_for_steps(tmp_path / "run" / "train.csv", 12, launch)
        os.kill(child_with(launch.pid, "PADDLE_TRAINER_ID=1"), signal.SIGKILL)
        launch.communicate(timeout=60)
    assert launch.returncode != 0
    messages = (tmp_path / "logs" / "workerlog.0").read_text()
    assert "process 0 of 2 stopped: another process of this training has ended" in messages
    assert "--resume" in messages
    done = last(tmp_path / "run")["step"]
    assert done >= 10
    more = ("--resume", "--steps", done + 3)
    call(*common, *more, processes=2, logs=tmp_path / "more")
    assert rows(tmp_path / "run" / "train.csv")["step"] == list(range(done + 3))


@pytest.mark.slow
def test_no_process_replaces_a_run(tmp_path):
    output = tmp_path / "run"
    output.mkdir()
    (output / BEST["paddle"]).write_bytes(b"arrays")
    common = ("--spec", spec_file(tmp_path), "--output", output)
    done = call(*common, processes=2, logs=tmp_path / "logs", check=False)
    assert done.returncode != 0
    for rank in range(2):
        message = (tmp_path / "logs" / f"workerlog.{rank}").read_text()
        assert f"error: {output} holds a run already: give --resume" in message
    assert [path.name for path in output.iterdir()] == [BEST["paddle"]]


@pytest.mark.slow
def test_scores_are_of_every_image_once(tmp_path):
    common = ("--spec", spec_file(tmp_path), "--output", tmp_path / "run")
    call(*common, "--steps", 3)
    one = call(*common, "--evaluate").stdout
    call(*common, "--evaluate", processes=3, logs=tmp_path / "logs")
    assert "360 images" in one
    assert one in (tmp_path / "logs" / "workerlog.0").read_text()
