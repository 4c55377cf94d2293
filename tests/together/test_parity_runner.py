"""The parity suite as a command: what it does where it cannot compare."""

from __future__ import annotations

import pytest

from benchmarks.runner import environment
from parity_tests.__main__ import main
from parity_tests.processes import WorkerError
from parity_tests.runner import run
from parity_tests.runtimes import RUNTIMES


def test_a_runtime_that_cannot_be_imported_is_an_error(monkeypatch, tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('no torch here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(WorkerError, match="no torch here"):
        run("torch", ["golden/*"])


def test_a_pattern_that_fits_no_case_is_an_error(capsys):
    assert main(["--runtime", "torch", "--cases", "nonsense"]) == 2
    assert "no case matches ['nonsense']" in capsys.readouterr().err


def test_settings_of_the_many_small_cases_reach_nobody_else(monkeypatch):
    own = RUNTIMES["keras-jax"].of_cases
    for name in own:
        monkeypatch.delenv(name, raising=False)
    assert own and own.items() <= RUNTIMES["keras-jax"].suite.items()
    assert not own.keys() & RUNTIMES["keras-jax"].environment.keys()
    assert not own.keys() & environment("keras-jax").keys()
    assert environment("keras-jax")["KERAS_BACKEND"] == "jax"
