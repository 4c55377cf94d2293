"""The library of the compiled operation: how it is built, found and loaded."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from helpers import random_map, randomised
from native_kit import forced, needs_compiler

from odconv_torch import ODConv2d, native
from tests.processes import run_process


@needs_compiler
def test_another_process_takes_the_plain_path(native_library, tmp_path):
    """Nothing is loaded unless it is asked for, by an import or with a model."""
    layer, x = forced(randomised(ODConv2d(8, 12, 3))), random_map(2, 8, 3, torch.float32)
    with torch.no_grad():
        torch.save((layer, x, layer(x)), tmp_path / "layer.pt")
    script = (
        "import sys, torch, odconv_torch\n"
        "layer, x, y = torch.load(sys.argv[1], weights_only=False)\n"
        "with torch.no_grad(): torch.testing.assert_close(layer(x), y, rtol=1e-4, atol=1e-4)\n"
        "assert not odconv_torch.native.is_loaded()\n"
    )
    run_process([sys.executable, "-c", script, str(tmp_path / "layer.pt")])


@needs_compiler
def test_the_command(native_library, extensions):
    assert native.path().is_relative_to(extensions) and native.path().exists()
    run = command("build")
    assert run.returncode == 0 and f"{native.path()} is there already" in run.stdout


def test_without_a_library_or_a_compiler(tmp_path):
    empty = {"TORCH_EXTENSIONS_DIR": str(tmp_path / "none"), "CXX": str(tmp_path / "none" / "c++")}
    script = (
        "import pytest, odconv_torch\n"
        "layer = odconv_torch.ODConv2d(4, 4, 3)\n"
        "with pytest.raises(RuntimeError, match='python -m odconv_torch.native build'):\n"
        "    odconv_torch.set_strategy(layer, 'native')\n"
        "assert layer.strategy.name == 'auto'\n"
    )
    environment = {**os.environ, **empty}
    run_process([sys.executable, "-c", script], env=environment)
    run = command("build", **empty)
    assert run.returncode == 1 and "expected a C++ compiler" in run.stderr
    assert "Traceback" not in run.stderr and not list(tmp_path.glob("**/*.so"))


@needs_compiler
def test_a_compiler_that_fails_is_quoted(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path))
    monkeypatch.setenv("CXXFLAGS", "-no-such-flag")
    with pytest.raises(RuntimeError, match=r"no-such-flag ended with 1|-no-such-flag"):
        native.build()
    assert not native.path().exists()


def test_other_flags_and_sources_are_other_files(monkeypatch, tmp_path):
    before = native.path()
    monkeypatch.setenv("CXXFLAGS", "-O1")
    assert native.path() != before
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path))
    assert native.path().is_relative_to(tmp_path)


def command(*arguments, **environment):
    line = [sys.executable, "-m", "odconv_torch.native", *arguments]
    environment = {**os.environ, **environment}
    return subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
