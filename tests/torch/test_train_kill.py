"""Trainings that are killed and resumed."""

from __future__ import annotations

import multiprocessing as mp
import random
import signal
import time

import pytest
import torch
from train_helpers import last, options, run, same_arrays

from tests.trainings import rows

STEPS = 40


def trained(folder, resume=False):
    torch.set_num_threads(1)
    values = {"recipe": {"epochs": 8}, "spec": {"dropout": 0.3}, "checkpoint_steps": 3}
    run(options(folder, resume=resume, **values))


@pytest.fixture
def processes():
    """Processes that start within milliseconds, because a server has imported torch for them."""
    context = mp.get_context("forkserver")
    context.set_forkserver_preload(["torch", "odconv_torch.train.trainer"])
    return context


@pytest.mark.slow
def test_killed_ten_times_and_resumed_is_bit_identical(tmp_path, processes):
    whole, draws, moments = tmp_path / "whole", random.Random(7), []
    finish(processes, whole)
    for attempt in range(10):
        folder = tmp_path / str(attempt)
        moments.append(kill_after(draws.randrange(STEPS - 2), processes, folder))
        finish(processes, folder, True)
        assert last(folder)["step"] == last(whole)["step"] == STEPS
        assert same_arrays(last(folder), last(whole))
        assert rows(folder / "train.csv")["loss"] == rows(whole / "train.csv")["loss"]
        assert rows(folder / "validation.csv") == rows(whole / "validation.csv")
    assert len(set(moments)) > 5, moments


def finish(processes, *arguments):
    process = processes.Process(target=trained, args=arguments)
    process.start()
    process.join()
    assert process.exitcode == 0


def kill_after(steps, processes, folder):
    """Kills a training with signal 9 once it has logged `steps` steps; how many it has then."""
    process = processes.Process(target=trained, args=(folder,))
    process.start()
    while process.is_alive() and logged(folder) < steps:
        time.sleep(0.001)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL, "it was faster than the kill"
    return logged(folder)


def logged(folder):
    path = folder / "train.csv"
    return path.read_text(encoding="utf-8").count("\n") - 1 if path.exists() else -1
