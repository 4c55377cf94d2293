"""Trainings of tiny networks on random images, in this process and in others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import paddle

from odconv_paddle.train import Trainer
from odconv_paddle.train.processes import Processes
from odconv_spec import from_dict
from odconv_training import LAST, RECIPES, Course, Options, Samples, Source

SPEC = {
    "family": "resnet",
    "block": "basic",
    "stages": [[4, 1], [6, 1]],
    "stem_channels": 4,
    "conv": "od",
    "conv_options": {"kernel_num": 2},
    "num_classes": 10,
}
ROOT = Path(__file__).parents[2]
ALONE = Processes(0, 1)
ENVIRONMENT = {"OMP_NUM_THREADS": "1"}


def options(output, *, recipe=None, spec=None, **values):
    chosen = replace(RECIPES["digits"], batch_size=8, epochs=2, temperature_epochs=1)
    return Options(
        spec=from_dict(SPEC | (spec or {})),
        data="digits",
        recipe=replace(chosen, **(recipe or {})),
        output=output,
        quiet=True,
        **values,
    )


def source(train=44, validation=11, size=(20, 16)):
    """Random images (count, 3, height, width) of ten classes; five batches, the last of twelve."""
    generator = np.random.default_rng(3)
    splits = [
        Samples(
            generator.integers(0, 10, count),
            images=generator.normal(size=(count, 3, *size)).astype(np.float32),
        )
        for count in (train, validation)
    ]
    return Source(tuple("0123456789"), *splits)


def course(chosen, data=None, processes=ALONE):
    return Course(chosen, data or source(), Trainer(chosen, processes))


def run(chosen, data=None):
    training = course(chosen, data)
    training.run()
    return training


def last(folder):
    return paddle.load(str(folder / LAST["paddle"]), return_numpy=True)


def same_arrays(first, second):
    """Bit for bit: weights, running statistics, momenta and temperature."""
    return first["temperature"] == second["temperature"] and all(
        first[part].keys() == second[part].keys()
        and all(np.array_equal(array, second[part][name]) for name, array in first[part].items())
        for part in ("state_dict", "optimizer")
    )


def spec_file(folder, **changes):
    path = folder / "spec.json"
    path.write_text(json.dumps(SPEC | changes), encoding="utf-8")
    return path


def command(*arguments, processes=None, logs=None):
    """`python -m odconv_paddle.train`, alone or by paddle.distributed.launch."""
    start = [sys.executable]
    if processes is not None:
        start += ["-m", "paddle.distributed.launch", f"--nproc_per_node={processes}"]
        start += [f"--log_dir={logs}", sys.executable]
    return [*start, "-m", "odconv_paddle.train", "--quiet", *map(str, arguments)]


def call(*arguments, processes=None, logs=None, check=True):
    run = subprocess.run(
        command(*arguments, processes=processes, logs=logs),
        capture_output=True,
        text=True,
        env=os.environ | ENVIRONMENT,
        cwd=ROOT,
        check=False,
    )
    assert not check or run.returncode == 0, run.stdout + run.stderr
    return run


def rows(path):
    """A CSV file of a log, its columns by name."""
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    columns = zip(*(map(float, line.split(",")) for line in lines), strict=True)
    return dict(zip(header.split(","), map(list, columns), strict=True))
