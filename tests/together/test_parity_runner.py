"""The parity suite as a command: what it does where it cannot compare."""

from __future__ import annotations

import pytest

from parity_tests.__main__ import main
from parity_tests.processes import WorkerError
from parity_tests.runner import run


def test_a_runtime_that_cannot_be_imported_is_an_error(monkeypatch, tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('no torch here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(WorkerError, match="no torch here"):
        run("torch", ["golden/*"])


def test_a_pattern_that_fits_no_case_is_an_error(capsys):
    assert main(["--runtime", "torch", "--cases", "nonsense"]) == 2
    assert "no case matches ['nonsense']" in capsys.readouterr().err
