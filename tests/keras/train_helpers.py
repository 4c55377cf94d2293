"""Trainings of tiny networks on random images, in this process and in others."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

import keras
import numpy as np

from odconv_keras.models import build_model  # noqa: F401  # a test imports it from here
from odconv_keras.train import Trainer, train  # noqa: F401
from odconv_keras.train.evaluation import logits  # noqa: F401
from odconv_keras.train.precision import computing_in
from odconv_keras.train.processes import Processes
from odconv_training import LAST, Course
from odconv_training.checkpoints import save
from odconv_training.progress import content_of
from tests import trainings
from tests.processes import run_process
from tests.trainings import options_of, spec_file_of

ROOT = Path(__file__).parents[2]
SPEC = {
    "family": "mobilenetv2",
    "stages": [[1, 8, 1, 2]],
    "conv": "od",
    "conv_options": {"kernel_num": 2},
    "num_classes": 10,
}
FRAMEWORK, NO_DEVICE = "keras", "frob:7"
ONE_CORE = {"OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}


CLIP_EPSILON = 0.0
# On PyTorch Keras takes the mean of the losses in float32, see odconv_keras/train/precision.py.
STEP_ERROR = 1e-7 if keras.backend.backend() == "torch" else 1e-12
options = partial(options_of, SPEC)
spec_file = partial(spec_file_of, SPEC)
source = partial(trainings.source, train=24)  # three batches


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


saved = save_fresh  # compiling a step would take most of the time


def outputs(model, images):
    return model.predict_on_batch(images.transpose(0, 2, 3, 1))


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


def command(*arguments):
    return [sys.executable, "-m", "odconv_keras.train", "--quiet", *map(str, arguments)]


def environment(**values):
    backend = {"KERAS_BACKEND": keras.backend.backend()}
    return os.environ | ONE_CORE | backend | values


def call(*arguments, check=True, **values):
    return run_process(command(*arguments), check=check, env=environment(**values))
