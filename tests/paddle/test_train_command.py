"""The command `python -m odconv_paddle.train`, and what it says to wrong input."""

from __future__ import annotations

import random
import signal
import subprocess
import time

import numpy as np
import paddle
import pytest
from train_helpers import (
    call,
    command,
    course,
    last,
    options,
    run,
    same_arrays,
    source,
    spec_file,
)

from odconv_paddle.models.factory import build_model
from odconv_paddle.train import train
from odconv_paddle.train.evaluation import logits
from odconv_training import BEST, LAST, in_order, main
from tests.training.folders import BROKEN, write_folder
from tests.trainings import rows
from weights_converter import convert, load_into
from weights_converter.identify.request import Request


@pytest.fixture
def folder(tmp_path):
    """Three classes of three images to train with, two to validate."""
    return write_folder(tmp_path / "images")


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


def test_wrong_data_is_one_line(tmp_path, folder, capsys):
    def said(*arguments, data=folder, num_classes=3):
        assert on_folder(tmp_path, data, *arguments, num_classes=num_classes) == 2
        message = capsys.readouterr().err
        assert message.startswith("error: ")
        assert message.count("\n") <= 2
        return message

    (tmp_path / "empty").mkdir()
    assert "received none" in said(data=tmp_path / "empty")
    assert "told to have 2" in said(num_classes=2)
    assert "gpu:7" in said("--device", "gpu:7")
    assert "nonsense" in said("--device", "nonsense")
    assert "received neither" in said("--evaluate")
    (folder / "train" / "bee" / "1.png").write_bytes(BROKEN)
    assert "bee/1.png" in said()


def test_corrupt_images_are_left_out_when_asked(tmp_path, folder, capsys):
    (folder / "train" / "bee" / "1.png").write_bytes(BROKEN)
    assert on_folder(tmp_path, folder, "--skip-corrupt", "--epochs", 1) == 0
    assert "left out: " in capsys.readouterr().err
    assert rows(tmp_path / "run" / "train.csv")["step"] == [0]


def test_a_run_is_not_replaced_unasked(tmp_path, capsys, monkeypatch):
    output = tmp_path / "run"
    common = [*map(str, ("--spec", spec_file(tmp_path), "--output", output, "--quiet"))]
    common += ["--steps", "5", "--batch-size", "8"]  # an epoch
    monkeypatch.setattr("odconv_training.course.open_source", lambda *arguments: source())
    assert main("paddle", train, common) == 0
    best = output / BEST["paddle"]
    assert best.exists()
    left = {path: path.read_bytes() for path in output.iterdir() if path.is_file()}
    capsys.readouterr()
    with monkeypatch.context() as patched:
        patched.setattr("odconv_training.course.open_source", None)  # nothing is loaded before
        assert main("paddle", train, common) == 2
    message = capsys.readouterr().err
    assert message.startswith(f"error: {output} holds a run already: give --resume ")
    assert "--overwrite" in message
    assert message.count("\n") == 1
    assert {path: path.read_bytes() for path in left} == left
    assert main("paddle", train, [*common, "--evaluate"]) == 0
    assert main("paddle", train, [*common, "--resume"]) == 0
    assert rows(output / "train.csv")["step"] == [0, 1, 2, 3, 4]
    assert main("paddle", train, [*common, "--overwrite", "--steps", "1"]) == 0
    assert rows(output / "train.csv")["step"] == [0]
    assert not best.exists()  # it was the other run's


def test_start_from_another_frameworks_file(tmp_path):
    first = run(options(tmp_path / "a", steps=4))
    there = tmp_path / "a.pth"
    convert(Request(tmp_path / "a" / LAST["paddle"], first.options.spec), there)
    second = course(options(tmp_path / "b", start=there))
    assert second.progress.step == 0
    for name, array in first.trainer.model.state_dict().items():
        np.testing.assert_array_equal(second.trainer.model.state_dict()[name], array)


def test_evaluation_of_the_last_checkpoint(tmp_path, capsys):
    training = run(options(tmp_path))
    course(options(tmp_path, evaluate=True)).evaluate()
    text = capsys.readouterr().out.splitlines()[-1]
    expected = rows(tmp_path / "validation.csv")
    assert text.startswith(f"top-1 {expected['top1'][-1]:.2f} %")
    assert f"loss {expected['loss'][-1]:.4f}, 11 images" in text
    assert training.top1 == expected["top1"][-1]


def test_logits_for_the_evaluate_command(tmp_path):
    training = run(options(tmp_path, steps=2))
    model = build_model(training.options.spec)
    load_into(model, tmp_path / LAST["paddle"])
    samples = source().validation
    found = list(logits(model, samples, in_order(np.arange(11), 4)))
    assert [len(labels) for _, labels in found] == [4, 4, 3]
    labels = np.concatenate([part for _, part in found])
    np.testing.assert_array_equal(labels, samples.labels)
    expected = model(paddle.to_tensor(samples.images)).numpy()
    np.testing.assert_allclose(np.concatenate([part for part, _ in found]), expected, atol=1e-5)


def test_every_sample_is_seen_once_an_epoch(tmp_path):
    seen = []
    training = course(options(tmp_path))
    step = training.trainer.step

    class Watching:
        model, optimizer, scaler = step.model, step.optimizer, step.scaler

        def __call__(self, number, images, *rest):
            seen.append(images.numpy())
            return step(number, images, *rest)

    training.trainer.step = Watching()
    training.run()
    everything = np.sort(source().train.images.reshape(44, -1)[:, 0])
    orders = [np.concatenate(seen[at : at + 5]).reshape(44, -1)[:, 0] for at in (0, 5)]
    for order in orders:
        np.testing.assert_array_equal(np.sort(order), everything)
    assert not np.array_equal(orders[0], orders[1])


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
