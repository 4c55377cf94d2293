"""An epoch over a folder of a thousand classes needs no more memory at its end than early on."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from train_helpers import command, spec_file

from tests.trainings import rows

CLASSES = 1000


@pytest.fixture
def thousand(tmp_path):
    """Four pictures of each class to train with, one to validate."""
    generator = np.random.default_rng(0)
    for split, count in (("train", 4), ("val", 1)):
        for label in range(CLASSES):
            folder = tmp_path / "images" / split / f"n{label:08d}"
            folder.mkdir(parents=True)
            for index in range(count):
                pixels = generator.integers(0, 256, (36, 40, 3), np.uint8)
                Image.fromarray(pixels).save(folder / f"{index}.jpg")
    return tmp_path / "images"


@pytest.mark.slow
def test_memory_stays_flat_over_an_epoch(tmp_path, thousand):
    spec = spec_file(tmp_path, num_classes=CLASSES)
    run = tmp_path / "run"
    arguments = ("--data", thousand, "--spec", spec, "--output", run, "--image-size", 32)
    arguments += ("--epochs", 1, "--batch-size", 16, "--workers", 2)
    with subprocess.Popen(command(*arguments)) as training:
        memory = list(watched(training, run / "train.csv"))
    assert training.returncode == 0
    steps = [step for step, _ in memory]
    assert rows(run / "train.csv")["step"] == list(range(250))
    assert rows(run / "validation.csv")["epoch"] == [0]
    first = [size for step, size in memory if 20 <= step < 80]
    final = [size for step, size in memory if step >= 190]
    assert first, steps
    assert final, steps
    assert np.mean(final) < 1.03 * np.mean(first)


def watched(training, log):
    """Steps that are done and megabytes of the process, again and again."""
    while training.poll() is None:
        if log.exists():
            yield log.read_text(encoding="utf-8").count("\n") - 1, megabytes(training.pid)
        time.sleep(0.05)


def megabytes(process):
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    lines = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return int(lines[0].split()[1]) / 1024 if lines else 0.0
