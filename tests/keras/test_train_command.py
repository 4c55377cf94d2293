"""The command `python -m odconv_keras.train`, and what it says to wrong input."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image
from train_helpers import (
    ROOT,
    assert_close,
    call,
    command,
    course,
    environment,
    last,
    options,
    run,
    save_fresh,
    spec_file,
    train,
)

from odconv_training import BEST, LAST, Samples, main, open_source
from tests.trainings import rows
from weights_converter import extract

SLOW = ("--batch-size", 64, "--epochs", 8, "--checkpoint-steps", 3)  # 184 steps


def test_a_folder_with_a_run_is_refused(tmp_path, capsys):
    (tmp_path / BEST["keras"]).write_bytes(b"arrays")
    assert main("keras", train, ["--output", str(tmp_path)]) == 2
    message = capsys.readouterr().err
    assert message.startswith(f"error: {tmp_path} holds a run already: give --resume ")
    assert [path.name for path in tmp_path.iterdir()] == [BEST["keras"]]


def test_a_training_starts_from_another_one_and_evaluates(tmp_path, capsys):
    first = save_fresh(options(tmp_path))
    start = tmp_path / LAST["keras"]
    second = course(options(tmp_path / "b", start=start, seed=5))
    for name, array in extract(first.trainer.model).items():
        np.testing.assert_array_equal(extract(second.trainer.model)[name], array)
    second.evaluate()
    assert "11 images" in capsys.readouterr().out


@pytest.mark.slow
def test_the_data_format_of_keras_changes_nothing(tmp_path):
    run(options(tmp_path / "last", steps=2))
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    try:
        run(options(tmp_path / "first", steps=2))
    finally:
        keras.config.set_image_data_format(before)
    one, two = (rows(tmp_path / name / "train.csv")["loss"] for name in ("last", "first"))
    assert one == pytest.approx(two, rel=1e-5)


@pytest.mark.slow
def test_an_incomplete_last_batch_counts_every_sample(tmp_path):
    """The loss of a batch is its mean, whatever the last batch's size."""
    training = run(options(tmp_path, recipe={"batch_size": 16, "epochs": 1}))
    assert rows(tmp_path / "train.csv")["step"] == [0, 1]
    assert training.progress.epoch == 1


if keras.backend.backend() == "tensorflow":  # not about the backend, and long

    @pytest.mark.slow
    def test_killed_ten_times_and_resumed_ends_equal(tmp_path):
        common = (*SLOW, "--spec", spec_file(tmp_path, dropout=0.3))
        call(*common, "--output", tmp_path / "whole")
        chance, done = random.Random(0), 0
        for _ in range(10):
            done = killed(
                [*common, "--output", tmp_path / "parts", "--resume"],
                tmp_path / "parts" / "train.csv",
                done + chance.randint(1, 9),
            )
        call(*common, "--output", tmp_path / "parts", "--resume")
        assert_close(last(tmp_path / "whole"), last(tmp_path / "parts"))
        one, two = (rows(tmp_path / name / "train.csv") for name in ("whole", "parts"))
        assert one["step"] == two["step"] == list(range(184))
        assert one["loss"] == pytest.approx(two["loss"], rel=1e-7)

    @pytest.mark.slow
    def test_an_epoch_over_a_thousand_classes_with_flat_memory(tmp_path):
        generator = np.random.default_rng(0)
        for split, count in (("train", 4), ("val", 1)):
            for label in range(1000):
                place = tmp_path / "images" / split / f"n{label:04}"
                place.mkdir(parents=True)
                for index in range(count):
                    pixels = generator.integers(0, 256, (36, 40, 3), np.uint8)
                    Image.fromarray(pixels).save(place / f"{index}.png", compress_level=1)
        chosen = options(
            tmp_path / "run",
            spec={"num_classes": 1000},
            recipe={"batch_size": 32, "epochs": 1},
            image_size=32,
            workers=2,
        )
        training, used = course(chosen, open_source(str(tmp_path / "images"))), []
        step = training.trainer.step
        training.trainer.step = lambda *values: (step(*values), used.append(resident()))[0]
        training.run()
        assert len(used) == 125
        quarter = len(used) // 4
        first, final = np.mean(used[5:quarter]), np.mean(used[-quarter:])
        sys.stdout.write(
            f"resident: {first:.1f} MiB in the first quarter, {final:.1f} in the last\n"
        )
        assert final < first + 30


def killed(arguments, log, steps):
    """Starts a training and kills it once it has logged `steps` steps; how many it has then."""
    with subprocess.Popen(command(*arguments), env=environment(), cwd=ROOT) as process:
        end = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < end:
            if log.exists() and len(log.read_text().splitlines()) > steps:
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.005)
    assert process.returncode == -signal.SIGKILL
    return len(log.read_text().splitlines()) - 1


def resident():
    """MiB that this process holds in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def test_a_corrupt_image_can_be_left_out(folder, capsys):
    (folder / "val" / "cat" / "0.png").write_bytes(b"no image")
    found: Samples = open_source(str(folder), skip_corrupt=True).validation
    assert len(found) == 5
    assert "cat" in capsys.readouterr().err
