"""The command `python -m odconv_paddle.train`, and what it says to wrong input."""

from __future__ import annotations

import random
import signal
import subprocess
import time

import paddle
import pytest
from train_helpers import call, command, last, same_arrays, spec_file, train

from odconv_training import main
from tests.training.folders import BROKEN
from tests.trainings import rows


def on_folder(tmp_path, folder, *arguments, num_classes=3):
    spec = spec_file(tmp_path, num_classes=num_classes)
    plain = ["--data", folder, "--spec", spec, "--output", tmp_path / "run"]
    plain += ["--image-size", 32, "--workers", 0, "--quiet", *arguments]
    return main("paddle", train, list(map(str, plain)))


def test_a_folder_is_trained_and_scored(tmp_path, folder, capsys):
    assert on_folder(tmp_path, folder, "--epochs", 2, "--batch-size", 8) == 0
    assert rows(tmp_path / "run" / "train.csv")["step"] == [0, 1]
    scores = rows(tmp_path / "run" / "validation.csv")
    assert on_folder(tmp_path, folder, "--evaluate", "--epochs", 2, "--batch-size", 8) == 0
    line = capsys.readouterr().out
    assert line.startswith(f"top-1 {scores['top1'][-1]:.2f} %, top-5 100.00 %")
    assert line.endswith("6 images\n")
    assert paddle.get_default_dtype() == "float32"


def test_corrupt_images_are_left_out_when_asked(tmp_path, folder, capsys):
    (folder / "train" / "bee" / "1.png").write_bytes(BROKEN)
    assert on_folder(tmp_path, folder) == 2
    assert "bee/1.png" in capsys.readouterr().err
    assert on_folder(tmp_path, folder, "--skip-corrupt", "--epochs", 1) == 0
    assert "left out: " in capsys.readouterr().err
    assert rows(tmp_path / "run" / "train.csv")["step"] == [0]


@pytest.mark.slow
def test_killed_ten_times_and_resumed_is_bit_identical(tmp_path):
    common = ("--spec", spec_file(tmp_path, dropout=0.3), "--batch-size", 128)
    common += ("--epochs", 4, "--checkpoint-steps", 3)
    call(*common, "--output", tmp_path / "whole")
    common += ("--resume", "--output", tmp_path / "killed")
    moments = [kill_after(step, *common) for step in sorted(random.Random(7).sample(range(44), 10))]
    call(*common)
    whole, killed = last(tmp_path / "whole"), last(tmp_path / "killed")
    assert killed["step"] == whole["step"] == 48
    assert same_arrays(whole, killed)
    losses = [rows(tmp_path / name / "train.csv")["loss"] for name in ("whole", "killed")]
    assert losses[0] == losses[1]
    assert len(set(moments)) > 5, moments


def kill_after(steps, *arguments):
    """Kills the training with signal 9 once it has logged `steps` steps; how many it has then."""
    log = arguments[-1] / "train.csv"
    with subprocess.Popen(command(*arguments), stderr=subprocess.DEVNULL) as training:
        opened = log.stat().st_mtime_ns if log.exists() else 0
        while training.poll() is None and (
            not log.exists() or log.stat().st_mtime_ns == opened or lines(log) <= steps
        ):
            time.sleep(0.001)
        training.send_signal(signal.SIGKILL)
    assert training.returncode == -signal.SIGKILL, "it was faster than the kill"
    return lines(log)


def lines(path):
    return len(path.read_text(encoding="utf-8").splitlines())
