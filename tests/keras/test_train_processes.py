"""Trainings in several processes: two against one, and a process that dies."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path

import keras
import pytest
from train_helpers import ROOT, assert_close, call, command, environment, last, spec_file

from odconv_keras.train.joining import joined
from odconv_training import BEST, LAST, TrainingError
from tests.trainings import rows, wait_for_steps

sys.path.append(str(Path(__file__).parents[1] / "training"))  # what all frameworks share

from folders import write_folder

BACKEND = keras.backend.backend()
SHORT = ("--recipe", "digits", "--batch-size", 12, "--epochs", 8, "--steps", 20, "--image-size", 32)
BOUND = 150  # seconds until a process that was left alone has stopped


def test_a_configuration_that_is_no_json(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", "{")
    with pytest.raises(TrainingError, match="TF_CONFIG: expected JSON"), joined(None):
        pass


def test_processes_of_another_backend(monkeypatch):
    cluster = json.dumps({"cluster": {"worker": ["a:1", "b:1"]}})
    tensorflow, jax = ("TF_CONFIG", cluster), ("KERAS_DISTRIBUTION_NUM_PROCESSES", "2")
    monkeypatch.setenv(*(tensorflow if BACKEND == "jax" else jax))
    with pytest.raises(TrainingError, match=f"several processes with .*={BACKEND}"), joined(None):
        pass


if BACKEND != "torch":  # where several processes are refused

    @pytest.mark.slow
    def test_twenty_steps_of_two_processes_are_those_of_one(tmp_path):
        """Shares of 6 samples, and in the last batch of an epoch, its third, of 8 and 7."""
        folder = write_folder(tmp_path / "images", {"train": 13, "val": 2})
        common = (*SHORT, "--data", folder, "--spec", spec_file(tmp_path, num_classes=3))
        common += ("--precision", "float64", "--clip-norm", 1.0)
        call(*common, "--output", tmp_path / "one")
        started = two(*common, "--output", tmp_path / "two", "--sync-norm")
        for code, message in started:
            assert code == 0, message
        one, other = (rows(tmp_path / name / "train.csv")["loss"] for name in ("one", "two"))
        assert len(one) == 20
        assert other == pytest.approx(one, rel=1e-7, abs=1e-7)
        assert_close(last(tmp_path / "one"), last(tmp_path / "two"))
        assert len(set(one)) == 20
        scores = [rows(tmp_path / name / "validation.csv") for name in ("one", "two")]
        assert scores[0]["top1"] == scores[1]["top1"]  # every image once
        assert scores[0]["loss"] == pytest.approx(scores[1]["loss"], rel=1e-7)

    @pytest.mark.slow
    def test_no_process_replaces_a_run(tmp_path):
        output = tmp_path / "run"
        output.mkdir()
        (output / BEST["keras"]).write_bytes(b"arrays")
        for code, message in two("--spec", spec_file(tmp_path), "--output", output):
            assert code == 2, message
            assert f"error: {output} holds a run already: give --resume" in message
        assert [path.name for path in output.iterdir()] == [BEST["keras"]]

    @pytest.mark.slow
    def test_two_processes_resume_the_same_checkpoint(tmp_path):
        """The arrays are read by each, so that a folder which only the first has is refused."""
        common = ("--spec", spec_file(tmp_path), "--recipe", "digits", "--batch-size", 256)
        folders = [tmp_path / "run", tmp_path / "empty"]
        call(*common, "--output", folders[0], "--steps", 2)
        for code, message in two(*common, "--resume", "--steps", 4, outputs=folders):
            assert code == 2, message
            assert "expected the same checkpoint" in message
        assert len(rows(folders[0] / "train.csv")["step"]) == 2
        for code, message in two(*common, "--resume", "--steps", 4, outputs=folders[:1] * 2):
            assert code == 0, message
        assert rows(folders[0] / "train.csv")["step"] == [0, 1, 2, 3]

    @pytest.mark.slow
    @pytest.mark.parametrize("rank", [0, 1])
    def test_a_killed_process_stops_the_others(tmp_path, rank):
        common = ("--spec", spec_file(tmp_path), "--batch-size", 64, "--epochs", 400)
        common += ("--checkpoint-steps", 5, "--output", tmp_path / "run")
        with ExitStack() as stack:
            started = start(stack, *common)
            wait_for_steps(tmp_path / "run" / "train.csv", 12, *started)
            began = time.monotonic()
            started[rank].send_signal(signal.SIGKILL)
            _, message = started[1 - rank].communicate(timeout=BOUND)
        assert time.monotonic() - began < BOUND
        assert started[1 - rank].returncode != 0
        # The process with rank 0 has the service that the others hear of each other by. When it
        # dies, JAX and TensorFlow may end the others themselves, with their own message.
        own = f"process {1 - rank} of 2 stopped: another process of this training has ended"
        assert own in message or (rank == 0 and "another task died" in message), message
        assert (tmp_path / "run" / LAST["keras"]).exists()


def two(*arguments, outputs=None):
    """Exit code and messages of two processes that train together, each with an output folder."""
    with ExitStack() as stack:
        started = start(stack, *arguments, outputs=outputs)
        return [(p.returncode, message) for p in started for _, message in [p.communicate()]]


def start(stack, *arguments, outputs=None):
    own = [["--output", folder] for folder in outputs] if outputs else [[], []]
    first, second = free_port(), free_port()
    addresses = [f"localhost:{first}", f"localhost:{second}"]
    return [
        stack.enter_context(
            subprocess.Popen(
                command(*arguments, *own[rank]),
                env=environment(**meeting(addresses, rank)),
                stderr=subprocess.PIPE,
                text=True,
                cwd=ROOT,
            )
        )
        for rank in range(2)
    ]


def meeting(addresses, rank):
    if BACKEND == "tensorflow":
        task = {"type": "worker", "index": rank}
        return {"TF_CONFIG": json.dumps({"cluster": {"worker": addresses}, "task": task})}
    return {
        "KERAS_DISTRIBUTION_JOB_ADDRESSES": addresses[0],
        "KERAS_DISTRIBUTION_NUM_PROCESSES": str(len(addresses)),
        "KERAS_DISTRIBUTION_PROCESS_ID": str(rank),
    }


def free_port():
    with closing(socket.socket()) as found:
        found.bind(("localhost", 0))
        return found.getsockname()[1]
