"""Every command where no framework is installed: it works, or one line says what to install."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from odconv.commands import SUMMARIES
from odconv.demonstration.files import lay_out

FRAMEWORKS = ("torch", "paddle", "keras", "tensorflow", "jax")
RUNTIMES = ("onnx", "onnxruntime", "openvino")
# Python imports it as it starts: the process cannot import what WITHOUT names.
STARTED_WITHOUT = """
import os, sys
sys.modules.update(dict.fromkeys(os.environ["WITHOUT"].split(), None))
"""
MODEL = ("--model", "digits.json")
WORK = {
    "inspect": ["digits.pth.tar", *MODEL, "--stats"],
    "convert": ["digits.pth.tar", "digits.weights.h5", *MODEL, "--report", "page.html"],
    "verify": ["digits.pth.tar", "digits.safetensors", *MODEL],
    "diff": ["digits.pth.tar", "digits.pdparams", *MODEL],
    "models": ["--published"],
    "demo": ["demo"],
}
NEED = {
    "evaluate": ["digits.pth.tar", *MODEL, "--data", "digits"],
    "predict": ["digits.pth.tar", "cat.png", *MODEL],
    "attend": ["digits.pth.tar", "--images", "digits", *MODEL],
    "export": ["digits.pth.tar", "digits.onnx", *MODEL],
    "verify": ["digits.pth.tar", "digits.pdparams", *MODEL, "--outputs"],
    "demo": ["demo", "--runtime", "paddle"],
}
MODULES = {
    "odconv_torch.train": "torch",
    "odconv_torch.calibrate": "torch",
    "odconv_torch.native": "torch",
    "odconv_torch.detect": "torch",
    "odconv_paddle.train": "paddle",
    "odconv_keras.train": "keras",
    "parity_tests": "torch",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    lay_out(folder)
    for ending in ("pth", "pdparams", "safetensors", "npz"):
        run = started(folder, "odconv", "convert", "digits.pth.tar", f"digits.{ending}", *MODEL)
        assert run.returncode == 0, run.stderr
    return folder


@pytest.mark.parametrize("command", SUMMARIES)
def test_the_help(folder, command):
    run = started(folder, "odconv", command, "--help")
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith(f"usage: odconv {command} ")


@pytest.mark.parametrize("command", WORK)
def test_what_works(folder, command):
    run = started(folder, "odconv", command, *WORK[command])
    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.parametrize("command", NEED)
def test_what_needs_one(folder, command):
    before = sorted(folder.iterdir())
    run = started(folder, "odconv", command, *NEED[command])
    fact, advice = run.stderr.splitlines()
    assert run.returncode == 2
    assert fact.startswith("error: ") and " needs " in fact
    assert advice.startswith("help: pip install 'odconv[")
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("module", MODULES)
def test_modules_that_need_one(folder, module):
    run = started(folder, module)
    assert run.returncode == 2
    assert run.stderr.startswith("error: ") and run.stderr.count("\n") == 1
    assert f" needs {MODULES[module]}, which is not installed: pip install 'odconv[" in run.stderr


def test_every_command_is_tried():
    assert WORK.keys() | NEED.keys() == SUMMARIES.keys()


def started(folder, module, *words):
    """Runs a module in a process that can import no framework."""
    (folder.parent / "sitecustomize.py").write_text(STARTED_WITHOUT)
    path = os.pathsep.join((str(folder.parent), str(Path(__file__).parents[2])))
    return subprocess.run(
        [sys.executable, "-m", module, *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path, "WITHOUT": " ".join(FRAMEWORKS + RUNTIMES)},
        capture_output=True,
        text=True,
        check=False,
    )
