"""The mistakes that hide best, made on purpose in a copy of the tree: a test must notice each."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COPIED = (
    "odconv_spec",
    "odconv_torch",
    "odconv_paddle",
    "odconv_keras",
    "weights_converter",
    "parity_tests",
    "tests",
    "examples",
    "pyproject.toml",
)


@dataclass(frozen=True)
class Mutation:
    """One wrong line, and the command that must fail because of it."""

    name: str
    file: str
    right: str
    wrong: str
    command: str

    def __str__(self) -> str:
        return self.name


LAYOUTS = "weights_converter/names/layouts.py"
PARITY = "-m parity_tests --cases golden/*-eval/* --runtime"
ROUND_TRIPS = "-m pytest -q tests/converter/test_layouts.py"
MUTATIONS = (
    Mutation(
        "two axes of a square expert kernel swapped, on the way to Keras models",
        LAYOUTS,
        "expert out in * -> expert * in out",
        "expert out in * -> expert * out in",
        f"{PARITY} keras-torch",
    ),
    Mutation(
        "two axes of a square expert kernel swapped, in Keras files",
        LAYOUTS,
        "expert out in * -> expert * in out",
        "expert out in * -> expert * out in",
        ROUND_TRIPS,
    ),
    Mutation(
        "two axes of a square kernel swapped inside a layer",
        "odconv_torch/layers/functional.py",
        "convolve(x, weight, attentions,",
        "convolve(x, weight.transpose(-1, -2), attentions,",
        f"{PARITY} torch",
    ),
    Mutation(
        "mean and variance swapped, in Keras files",
        LAYOUTS,
        'Role.NORM_MEAN: Row("moving_mean", slot=2)',
        'Role.NORM_MEAN: Row("moving_mean", slot=3)',
        ROUND_TRIPS,
    ),
    Mutation(
        "mean and variance swapped, on the way to Paddle models",
        LAYOUTS,
        'Role.NORM_MEAN: Row("_mean"),\n        Role.NORM_VARIANCE: Row("_variance"),',
        'Role.NORM_MEAN: Row("_variance"),\n        Role.NORM_VARIANCE: Row("_mean"),',
        f"{PARITY} paddle",
    ),
    Mutation(
        "a square linear kernel transposed, in Paddle files",
        LAYOUTS,
        'Role.LINEAR_KERNEL: Row("weight", "out in -> in out"),',
        'Role.LINEAR_KERNEL: Row("weight"),',
        ROUND_TRIPS,
    ),
    Mutation(
        "the running variance of Paddle left biased",
        "odconv_paddle/layers/norm.py",
        "unbiased = variance * (count / paddle.clip(count - 1, min=1))",
        "unbiased = variance",
        "-m parity_tests --cases golden/*-train/* --runtime paddle",
    ),
    Mutation(
        "three of four attentions divided by the temperature, PyTorch",
        "odconv_torch/layers/attention.py",
        "= self._activated(name, part)",
        "= self._activated(name, part * (self.temperature if name == 'spatial_fc' else 1))",
        f"{PARITY} torch",
    ),
    Mutation(
        "three of four attentions divided by the temperature, Paddle",
        "odconv_paddle/layers/attention.py",
        "logits = self._tempered(self.spatial_fc(hidden))",
        "logits = self.spatial_fc(hidden)",
        f"{PARITY} paddle",
    ),
    Mutation(
        "three of four attentions divided by the temperature, Keras",
        "odconv_keras/layers/attention.py",
        "None if kernel is None else softmax(kernel, self.temperature),",
        "None if kernel is None else softmax(kernel, 1.0),",
        f"{PARITY} keras-torch",
    ),
    Mutation(
        "height and width of the spatial attention swapped",
        "odconv_torch/layers/attention.py",
        "return torch.sigmoid(logits).reshape(shape)",
        "y = torch.sigmoid(logits)\n        if name != 'spatial_fc':\n            "
        "return y.reshape(shape)\n        "
        "return y.reshape(*shape[:-2], *shape[:-3:-1]).transpose(-1, -2)",
        f"{PARITY} torch",
    ),
    Mutation(
        "the biases of DyConv added instead of mixed",
        "odconv_torch/layers/functional.py",
        "bias = mixing.to(bias.dtype) @ bias  # (batch, out)",
        "bias = bias.mean(0)",
        f"{PARITY} torch",
    ),
    Mutation(
        "the routing weights of CondConv made to add up to one",
        "odconv_torch/layers/routing.py",
        "return torch.sigmoid(F.linear(",
        "return torch.softmax(dim=1, input=F.linear(",
        f"{PARITY} torch",
    ),
    Mutation(
        "attentions of one kernel given to another",
        "odconv_torch/layers/forms/scaled.py",
        "kernels = kernels * attentions.filter[:, :, :, None]",
        "kernels = kernels * attentions.filter.flip(1)[:, :, :, None]",
        "-m parity_tests --cases sweep/* --count 60 --runtime torch",
    ),
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of the tree, and the commands that succeed in it as long as it is right."""
    folder = tmp_path_factory.mktemp("tree")
    for name in COPIED:
        source, target = ROOT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    return folder, {command: run(folder, command) for command in {m.command for m in MUTATIONS}}


@pytest.mark.parametrize("mutation", MUTATIONS, ids=str)
def test_the_line_to_break_is_there(mutation):
    assert (ROOT / mutation.file).read_text(encoding="utf-8").count(mutation.right) == 1


@pytest.mark.slow
@pytest.mark.parametrize("mutation", MUTATIONS, ids=str)
def test_is_noticed(mutation, tree):
    folder, codes = tree
    assert codes[mutation.command] == 0
    path = folder / mutation.file
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(mutation.right, mutation.wrong), encoding="utf-8")
    try:
        assert run(folder, mutation.command) != 0
    finally:
        path.write_text(text, encoding="utf-8")


def run(folder: Path, command: str) -> int:
    return subprocess.run(
        [sys.executable, *command.split()],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        check=False,
    ).returncode
