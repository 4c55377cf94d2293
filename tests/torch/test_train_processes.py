"""Trainings by torchrun: two processes against one, and a process that dies."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest
import torch
from train_helpers import ONE_CORE, call, command, last, spec_file

from odconv_training import BEST
from tests.processes import ROOT, run_process
from tests.trainings import child_with, rows, wait_for_steps


@pytest.mark.slow
def test_twenty_steps_of_two_processes_are_those_of_one(tmp_path):
    """Shares of 17 and 16 samples.

    At this rate the training itself does not magnify rounding; at 0.05 a change of the weights by
    1e-16 grows to 1e-9 in twenty steps of one process.
    """
    common = ("--batch-size", 33, "--epochs", 2, "--seed", 3, "--lr", 0.01, "--steps", 20)
    common += ("--spec", spec_file(tmp_path), "--precision", "float64")
    call(*common, "--output", tmp_path / "one")
    call(*common, "--output", tmp_path / "two", "--sync-norm", processes=2)
    one, two = (rows(tmp_path / name / "train.csv")["loss"] for name in ("one", "two"))
    assert len(one) == 20
    assert two == pytest.approx(one, rel=1e-9, abs=1e-9)
    arrays, others = (last(tmp_path / name)["state_dict"] for name in ("one", "two"))
    assert arrays.keys() == others.keys()
    for name, array in arrays.items():
        torch.testing.assert_close(others[name], array, rtol=1e-9, atol=1e-9, msg=name)


@pytest.mark.slow
def test_a_killed_process_stops_the_others_and_a_resume_goes_on(tmp_path):
    common = ("--spec", spec_file(tmp_path), "--batch-size", 64, "--epochs", 40)
    common += ("--checkpoint-steps", 5)
    start = command(*common, "--output", tmp_path / "run", processes=2)
    with subprocess.Popen(
        start, stderr=subprocess.PIPE, text=True, env=os.environ | ONE_CORE, cwd=ROOT
    ) as torchrun:
        wait_for_steps(tmp_path / "run" / "train.csv", 12, torchrun)
        os.kill(child_with(torchrun.pid, "RANK=1"), signal.SIGKILL)
        _, messages = torchrun.communicate(timeout=60)
    assert torchrun.returncode != 0
    assert "process 0 of 2 stopped: another process of this training has ended" in messages
    assert "--resume" in messages
    done = last(tmp_path / "run")["step"]
    assert done >= 10
    call(*common, "--output", tmp_path / "run", "--resume", "--steps", done + 3, processes=2)
    assert rows(tmp_path / "run" / "train.csv")["step"] == list(range(done + 3))


@pytest.mark.slow
def test_no_process_replaces_a_run(tmp_path):
    """The second sees another folder, which is empty: the first decides."""
    (tmp_path / "0").mkdir()
    best = tmp_path / "0" / BEST["torch"]
    best.write_bytes(b"arrays")
    program = command("--spec", spec_file(tmp_path), "--output", ".", processes=2)
    # Each process goes to a folder of its own before it trains.
    started = (
        "import os, runpy, sys; rank = os.environ['RANK']; os.makedirs(rank, exist_ok=True); "
        "os.chdir(rank); runpy.run_module('odconv_torch.train', run_name='__main__')"
    )
    at = program.index("odconv_torch.train")
    (tmp_path / "program.py").write_text(started)
    done = run_process(
        [*program[: at - 1], str(tmp_path / "program.py"), *program[at + 1 :]],
        check=False,
        env=os.environ | ONE_CORE | {"PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        timeout=120,
    )
    assert done.returncode != 0
    assert "error: . holds a run already: give --resume" in done.stderr
    assert "exitcode  : 2" in done.stderr
    assert [path.name for path in (tmp_path / "0").iterdir()] == [best.name]
    assert not list((tmp_path / "1").iterdir())


@pytest.mark.slow
def test_scores_are_of_every_image_once(tmp_path):
    common = ("--spec", spec_file(tmp_path), "--output", tmp_path / "run")
    call(*common, "--steps", 3)
    programs = (command(*common, "--evaluate", processes=count) for count in (None, 3))
    one, three = (
        run_process(
            [part for part in program if part != "--quiet"], env=os.environ | ONE_CORE
        ).stdout
        for program in programs
    )
    assert "360 images" in one
    assert three == one
