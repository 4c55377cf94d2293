"""Trainings of tiny networks on random images, in this process and in others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from odconv_keras.train import Trainer
from odconv_keras.train.precision import computing_in
from odconv_keras.train.processes import Processes
from odconv_spec import from_dict
from odconv_training import LAST, RECIPES, Course, Options, Samples, Source
from odconv_training.checkpoints import save
from odconv_training.progress import content_of

ROOT = Path(__file__).parents[2]
SPEC = {
    "family": "mobilenetv2",
    "stages": [[1, 8, 1, 2]],
    "conv": "od",
    "conv_options": {"kernel_num": 2},
    "num_classes": 10,
}
ONE_CORE = {"OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}


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


def source(train=24, validation=11, size=(20, 16)):
    """Random images (count, 3, height, width) of ten classes; three batches."""
    generator = np.random.default_rng(3)
    splits = [
        Samples(
            generator.integers(0, 10, count),
            images=generator.normal(size=(count, 3, *size)).astype(np.float32),
        )
        for count in (train, validation)
    ]
    return Source(tuple("0123456789"), *splits)


def course(chosen, data=None):
    return Course(chosen, data or source(), Trainer(chosen, Processes()))


def run(chosen, data=None):
    with computing_in(chosen.precision):
        training = course(chosen, data)
        training.run()
    return training


def save_fresh(chosen):
    """The course of a training that has saved its start."""
    fresh = course(chosen)
    save(fresh.trainer, chosen.output, content_of(chosen, fresh.progress, 0.0), best=False)
    return fresh


def arrays(path):
    """What a checkpoint holds for weights, statistics, temperatures and optimizer, by its name."""
    import zipfile
    from io import BytesIO

    import h5py

    found = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            found[name] = item[()]

    with zipfile.ZipFile(path) as archive:
        content = BytesIO(archive.read("model.weights.h5"))
    with h5py.File(content) as file:
        file.visititems(visit)
    return found


def last(folder):
    return arrays(folder / LAST["keras"])


def assert_close(first, second, tolerance=1e-7):
    assert first.keys() == second.keys()
    for name, array in first.items():
        np.testing.assert_allclose(second[name], array, tolerance, tolerance, err_msg=name)


def spec_file(folder, **changes):
    path = folder / "spec.json"
    path.write_text(json.dumps(SPEC | changes), encoding="utf-8")
    return path


def command(*arguments):
    return [sys.executable, "-m", "odconv_keras.train", "--quiet", *map(str, arguments)]


def environment(**values):
    backend = {"KERAS_BACKEND": keras.backend.backend()}
    return os.environ | ONE_CORE | backend | values


def call(*arguments, check=True, **values):
    run = subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        env=environment(**values),
        cwd=ROOT,
        check=False,
    )
    assert not check or run.returncode == 0, run.stderr
    return run


def rows(path):
    """A CSV file of a log, its columns by name."""
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    columns = zip(*(map(float, line.split(",")) for line in lines), strict=True)
    return dict(zip(header.split(","), map(list, columns), strict=True))
