"""Without what an extra installs, imports and commands say in one sentence what to install."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Python imports it as it starts: the process then finds nothing of the name.
BLOCK = """
import os, sys

class Without:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] != os.environ["MISSING"]:
            return self.finder.find_spec(name, path, target)

sys.meta_path[:] = map(Without, sys.meta_path)
"""
BACKENDS = (
    "'odconv[tensorflow]', or 'odconv[jax]' with KERAS_BACKEND=jax, "
    "or 'odconv[keras,torch]' with KERAS_BACKEND=torch"
)
PACKAGES = [
    ("odconv_torch", "torch", "", "'odconv[torch]'"),
    ("odconv_paddle", "paddle", "", "'odconv[paddle]'"),
    ("odconv_keras", "keras", "", BACKENDS),
    ("odconv_keras", "tensorflow", "tensorflow", BACKENDS),
    ("odconv_keras", "jax", "jax", BACKENDS),
    ("odconv_keras", "torch", "torch", BACKENDS),
    ("odconv_training", "PIL", "", "'odconv[train]'"),
    ("odconv_torch.detection", "torchvision", "", "'odconv[detection]'"),
    ("odconv_torch.detect", "torchvision", "", "'odconv[detection]'"),
]


@pytest.fixture
def python(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(BLOCK)

    def run(missing, *arguments, backend=""):
        own = {"MISSING": missing, "PYTHONPATH": str(tmp_path), "KERAS_BACKEND": backend or "jax"}
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=os.environ | own,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def sentence(package, missing, pip):
    return f"{package} needs {missing}, which is not installed: pip install {pip}"


@pytest.mark.parametrize(("package", "missing", "backend", "pip"), PACKAGES)
def test_an_import_is_an_error_that_is_chained(python, package, missing, backend, pip):
    code = f"""
try:
    import {package}
except ImportError as error:
    assert error.name == {missing!r}
    assert isinstance(error.__cause__, ModuleNotFoundError)
    print(error)
"""
    run = python(missing, "-c", code, backend=backend)
    assert run.stdout == sentence(package, missing, pip) + "\n", run.stderr


@pytest.mark.parametrize(("package", "missing", "backend", "pip"), PACKAGES[:4])
def test_a_training_is_one_line(python, package, missing, backend, pip, tmp_path):
    output = tmp_path / "run"
    run = python(missing, "-m", f"{package}.train", "--output", str(output), backend=backend)
    assert run.stderr == f"error: {sentence(package, missing, pip)}\n"
    assert run.returncode == 2
    assert not output.exists()


@pytest.mark.parametrize(
    ("module", "line"),
    [
        # Its import alone is above each time.
        pytest.param(
            "PIL", sentence("odconv_training", "PIL", "'odconv[train]'"), marks=pytest.mark.slow
        ),
        (
            "sklearn",
            "the digits need scikit-learn, which is not installed: pip install 'odconv[train]', "
            "or train on images of your own with --data FOLDER",
        ),
    ],
)
def test_what_a_training_needs_beside_its_framework(python, module, line, tmp_path):
    run = python(module, "-m", "odconv_torch.train", "--output", str(tmp_path / "run"))
    assert (run.returncode, run.stderr) == (2, f"error: {line}\n")


@pytest.mark.parametrize(
    ("command", "runtime", "missing", "extra"),
    [
        ("parity_tests", "torch", "torch", "torch"),
        ("parity_tests", "paddle", "paddle", "paddle"),
        ("parity_tests", "keras-jax", "keras", "jax"),
        ("parity_tests", "keras-torch", "torch", "keras,torch"),
        ("benchmarks", "torch", "torch", "torch"),
    ],
)
def test_a_suite_is_one_line(python, command, runtime, missing, extra, tmp_path):
    output = ("--output", str(tmp_path / "results")) if command == "benchmarks" else ()
    run = python(missing, "-m", command, "--runtime", runtime, *output)
    said = sentence(f"the runtime {runtime}", missing, f"'odconv[{extra}]'")
    assert (run.returncode, run.stderr) == (2, f"error: {said}\n")


def test_benchmarks_without_plots(python):
    run = python("matplotlib", "-m", "benchmarks", "--help")
    said = sentence("benchmarks", "matplotlib", "'odconv[train]'")
    assert (run.returncode, run.stderr) == (2, f"error: {said}\n")


@pytest.mark.parametrize("missing", ["torch", "PIL"])
def test_odconv_evaluate(python, missing):
    checkpoint = "examples/odconv4x_mobilenetv2_digits.pth.tar"
    options = ("--model", "examples/digits.json", "--data", "digits", "--framework", "torch")
    run = python(missing, "-m", "odconv", "evaluate", checkpoint, *options)
    help = f"pip install 'odconv[{'torch,' * (missing == 'torch')}train]'"
    assert run.returncode == 2
    assert run.stderr == (
        f"error: evaluate needs {missing}, which is not installed\nhelp: {help}\n"
    )


def test_odconv_evaluate_in_keras_without_the_backend(python):
    """Somebody with JAX or PyTorch is not sent to another framework."""
    checkpoint = "examples/odconv4x_mobilenetv2_digits.pth.tar"
    options = ("--model", "examples/digits.json", "--data", "digits", "--framework", "keras")
    run = python(
        "tensorflow", "-m", "odconv", "evaluate", checkpoint, *options, backend="tensorflow"
    )
    fact, advice = run.stderr.splitlines()
    assert (run.returncode, fact) == (2, "error: evaluate needs tensorflow, which is not installed")
    assert "set KERAS_BACKEND to jax or torch" in advice


def test_odconv_verify_outputs(python):
    checkpoint = "examples/odconv4x_mobilenetv2_digits.pth.tar"
    options = ("--model", "examples/digits.json", "--outputs", "--runtime", "paddle")
    run = python("paddle", "-m", "odconv", "verify", checkpoint, checkpoint, *options)
    said = "error: the runtime paddle needs paddle\nhelp: pip install 'odconv[paddle]'\n"
    assert (run.returncode, run.stderr) == (2, said)


def test_somebody_elses_command_may_do_without(python, tmp_path):
    package = tmp_path / "theirs"
    package.mkdir()
    (package / "__init__.py").write_text(
        "try:\n    import odconv_torch\nexcept ImportError:\n    pass\n"
    )
    (package / "__main__.py").write_text("print('done')\n")
    assert python("torch", "-m", "theirs").stdout == "done\n"
