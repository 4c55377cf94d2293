"""Trainings of tiny networks on random images, in this process and in others."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from functools import partial

import torch

from odconv_torch.models import build_model  # noqa: F401  # a test imports it from here
from odconv_torch.train import Trainer, train  # noqa: F401
from odconv_torch.train.evaluation import logits  # noqa: F401
from odconv_torch.train.processes import Processes
from odconv_training import LAST, Course
from tests.processes import run_process
from tests.trainings import options_of, source, spec_file_of

SPEC = {
    "family": "mobilenetv2",
    "stages": [[1, 8, 1, 2], [2, 8, 1, 2]],
    "conv": "od",
    "conv_options": {"kernel_num": 2},
    "num_classes": 10,
}
FRAMEWORK, NO_DEVICE = "torch", "cuda:7"
ALONE = Processes(0, 1, torch.device("cpu"))
ONE_CORE = {"OMP_NUM_THREADS": "1"}


CLIP_EPSILON = 1e-6  # which torch adds to the norm that it divides by
STEP_ERROR = 1e-12


def computing_in(precision):
    return nullcontext()  # a Trainer gives its network the dtype


options = partial(options_of, SPEC)
store = torch.save
spec_file = partial(spec_file_of, SPEC)


def course(chosen, data=None, processes=ALONE):
    return Course(chosen, data or source(), Trainer(chosen, processes))


def run(chosen, data=None):
    training = course(chosen, data)
    training.run()
    return training


saved = run  # a checkpoint, after the steps that are asked for


@torch.no_grad()
def outputs(model, images):
    return model(torch.from_numpy(images)).numpy()


def last(folder):
    return torch.load(folder / LAST["torch"], weights_only=True)


def same_arrays(first, second):
    """Bit for bit: weights, running statistics, momenta and temperature."""
    one, two = first["optimizer"]["state"], second["optimizer"]["state"]
    assert one.keys() == two.keys()
    momenta = all(torch.equal(one[i]["momentum_buffer"], two[i]["momentum_buffer"]) for i in one)
    return momenta and same_weights(first, second)


def same_weights(first, second):
    arrays, others = first["state_dict"], second["state_dict"]
    assert arrays.keys() == others.keys()
    return first["temperature"] == second["temperature"] and all(
        torch.equal(array, others[name]) for name, array in arrays.items()
    )


def command(*arguments, processes=None):
    """`python -m odconv_torch.train`, alone or by torchrun."""
    start = [sys.executable]
    if processes is not None:
        start += ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    return [*start, "-m", "odconv_torch.train", "--quiet", *map(str, arguments)]


def call(*arguments, processes=None, check=True):
    return run_process(
        command(*arguments, processes=processes), check=check, env=os.environ | ONE_CORE
    )
