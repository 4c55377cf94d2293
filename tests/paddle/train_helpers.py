"""Trainings of tiny networks on random images, in this process and in others."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

import numpy as np
import paddle

from odconv_paddle.models.factory import build_model  # noqa: F401  # a test imports it from here
from odconv_paddle.train import Trainer, train  # noqa: F401
from odconv_paddle.train.evaluation import logits  # noqa: F401
from odconv_paddle.train.precision import computing_in  # noqa: F401
from odconv_paddle.train.processes import Processes
from odconv_training import LAST, Course
from tests.processes import run_process
from tests.trainings import options_of, source, spec_file_of

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
FRAMEWORK, NO_DEVICE = "paddle", "gpu:7"
ALONE = Processes(0, 1)
ENVIRONMENT = {"OMP_NUM_THREADS": "1"}


CLIP_EPSILON = 0.0
STEP_ERROR = 1e-12
options = partial(options_of, SPEC)
spec_file = partial(spec_file_of, SPEC)


def course(chosen, data=None, processes=ALONE):
    return Course(chosen, data or source(), Trainer(chosen, processes))


def run(chosen, data=None):
    training = course(chosen, data)
    training.run()
    return training


saved = run  # a checkpoint, after the steps that are asked for


def outputs(model, images):
    return model(paddle.to_tensor(images)).numpy()


def last(folder):
    return paddle.load(str(folder / LAST["paddle"]), return_numpy=True)


def store(content, path):
    paddle.save(content, str(path))


def same_arrays(first, second):
    """Bit for bit: weights, running statistics, momenta and temperature."""
    return first["temperature"] == second["temperature"] and all(
        first[part].keys() == second[part].keys()
        and all(np.array_equal(array, second[part][name]) for name, array in first[part].items())
        for part in ("state_dict", "optimizer")
    )


def command(*arguments, processes=None, logs=None):
    """`python -m odconv_paddle.train`, alone or by paddle.distributed.launch."""
    start = [sys.executable]
    if processes is not None:
        start += ["-m", "paddle.distributed.launch", f"--nproc_per_node={processes}"]
        start += [f"--log_dir={logs}", sys.executable]
    return [*start, "-m", "odconv_paddle.train", "--quiet", *map(str, arguments)]


def call(*arguments, processes=None, logs=None, check=True):
    return run_process(
        command(*arguments, processes=processes, logs=logs),
        check=check,
        env=os.environ | ENVIRONMENT,
    )
