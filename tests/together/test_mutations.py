"""The mistakes that hide best, made on purpose in a copy of the tree: a test must notice each."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COPIED = (
    "odconv",
    "odconv_spec",
    "odconv_torch",
    "odconv_paddle",
    "odconv_keras",
    "odconv_training",
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
TRAINING = "-m parity_tests --cases golden/*-train/* --runtime"
SWEEP = "-m parity_tests --cases sweep/* --count 60 --runtime"
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
        f"{TRAINING} paddle",
    ),
    Mutation(
        "three of four attentions divided by the temperature, PyTorch",
        "odconv_torch/layers/attention.py",
        'if name != "kernel_fc":',
        "if name == 'spatial_fc':\n                "
        "gate = torch.sigmoid(gate.logit() * self.temperature)\n            "
        'if name != "kernel_fc":',
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
        "(-1, *self._shapes[name])), self.temperature)",
        "(-1, *self._shapes[name])), 1.0)",
        f"{PARITY} keras-torch",
    ),
    Mutation(
        "height and width of the spatial attention swapped",
        "odconv_torch/layers/attention.py",
        "found[name] = gate.reshape(batch, *self._shapes[name])",
        "shape = (batch, *self._shapes[name])\n                "
        "found[name] = gate.reshape(shape)\n                if name == 'spatial_fc':\n"
        "                    gate = gate.reshape(*shape[:-2], *shape[:-3:-1])\n"
        "                    found[name] = gate.transpose(-1, -2)",
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
        f"{SWEEP} torch",
    ),
    Mutation(
        "softmax over the samples instead of the kernels",
        "odconv_torch/layers/temperature.py",
        "torch.softmax(logits, dim=-1, dtype=dtype)",
        "torch.softmax(logits, dim=0, dtype=dtype)",
        f"{PARITY} torch",
    ),
    Mutation(
        "the stride dropped",
        "odconv_torch/layers/dynamic.py",
        "return x, Window(spec.strides, padding,",
        "return x, Window((1,) * spec.rank, padding,",
        f"{PARITY} torch",
    ),
    Mutation(
        "the bias scaled by the filter attention",
        "odconv_torch/layers/functional.py",
        "return _plus(convolve(x, weight, attentions, window, strategy), bias)",
        "if bias is not None and attentions.filter is not None:\n"
        "        bias = bias * attentions.filter.reshape(len(x), -1)[:, : len(bias)]\n"
        "    return _plus(convolve(x, weight, attentions, window, strategy), bias)",
        f"{SWEEP} torch",
    ),
    Mutation(
        "the channel attention of groups dealt out channel by channel",
        "odconv_torch/layers/forms/scaled.py",
        "each = channel.unflatten(1, (groups, 1, -1))",
        "each = channel.unflatten(1, (-1, 1, groups)).transpose(1, 3)",
        f"{SWEEP} torch",
    ),
    Mutation(
        "the padding moved by one to one side",
        "odconv_paddle/layers/per_sample.py",
        "pads = [side for pair in padding for side in pair]",
        "pads = [s for b, a in padding for s in ((b + 1, a - 1) if a else (b, a))]",
        f"{PARITY} paddle",
    ),
    Mutation(
        "the dilation ignored",
        "odconv_paddle/layers/per_sample.py",
        "(list(stride), pads, list(dilation))",
        "(list(stride), pads, [1] * len(dilation))",
        f"{PARITY} paddle",
    ),
    Mutation(
        "the temperature of DyConv ignored",
        "odconv_paddle/layers/dy_attention.py",
        "logits = self._tempered(flattened(self.fc2(hidden), 1))",
        "logits = flattened(self.fc2(hidden), 1)",
        f"{PARITY} paddle",
    ),
    Mutation(
        "the temperature ignored by the filter head",
        "odconv_keras/layers/attention.py",
        "return ops.sigmoid(logits / ops.cast(self.temperature, logits.dtype))",
        "temperature = 1.0 if name == 'filter_fc' else self.temperature\n"
        "        return ops.sigmoid(logits / ops.cast(temperature, logits.dtype))",
        f"{PARITY} keras-torch",
    ),
    Mutation(
        "an epsilon of 1e-3",
        "odconv_keras/layers/norm.py",
        "            epsilon=self.epsilon,",
        "            epsilon=1e-3,",
        f"{PARITY} keras-torch",
    ),
    Mutation(
        "the running variance of Keras left biased",
        "odconv_keras/layers/norm.py",
        "unbiased = variance * (number / ops.where(keep, number, number - 1))",
        "unbiased = variance",
        f"{TRAINING} keras-torch",
    ),
    Mutation(
        "the momentum that of the other framework",
        "odconv_keras/layers/norm.py",
        "return running * self.momentum + batch * (1 - self.momentum)",
        "return running * (1 - self.momentum) + batch * self.momentum",
        f"{TRAINING} keras-torch",
    ),
    Mutation(
        "the last element of each slice not copied",
        LAYOUTS,
        "place = (*before, slice(start, start + _SLICE))",
        "place = (*before, slice(start, start + _SLICE - 1))",
        ROUND_TRIPS,
    ),
    Mutation(
        "two axes swapped among those that TensorFlow's files join",
        LAYOUTS,
        "expert out in * -> expert (* in out)",
        "expert out in * -> expert (* out in)",
        "-m pytest -q tests/converter/test_dialects_flattened.py",
    ),
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of the tree, to break."""
    folder = tmp_path_factory.mktemp("tree")
    for name in COPIED:
        source, target = ROOT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    return folder


@pytest.fixture(scope="module")
def code_when_right(tree):
    """The exit code of a command in the tree as it is, which several mutations share."""
    return cache(partial(run, tree))


@pytest.mark.parametrize("mutation", MUTATIONS, ids=str)
def test_the_line_to_break_is_there(mutation):
    assert (ROOT / mutation.file).read_text(encoding="utf-8").count(mutation.right) == 1


@pytest.mark.slow
@pytest.mark.parametrize("mutation", MUTATIONS, ids=str)
def test_is_noticed(mutation, tree, code_when_right):
    assert code_when_right(mutation.command) == 0
    path = tree / mutation.file
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(mutation.right, mutation.wrong), encoding="utf-8")
    try:
        assert run(tree, mutation.command) != 0
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
