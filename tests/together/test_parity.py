"""Every case in every runtime, as `python -m parity_tests` runs them."""

from __future__ import annotations

from functools import cache

import pytest

from parity_tests.__main__ import main
from parity_tests.cases import all_cases
from parity_tests.runner import WorkerError, run
from parity_tests.runtimes import RUNTIMES

CASES = [case.id for case in all_cases()]
run_once = cache(run)  # one process for each runtime, whose records serve all its tests


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_agrees_with_the_reference(runtime, case):
    records = [record for record in run_once(runtime).records if record.case == case]
    assert records
    assert not [str(record) for record in records if not record.ok]


def test_a_runtime_that_cannot_be_imported_is_an_error(monkeypatch, tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('no torch here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(WorkerError, match="no torch here"):
        run("torch", "golden/*")


def test_a_pattern_that_fits_no_case_is_an_error(capsys):
    assert main(["--runtime", "torch", "--cases", "nonsense"]) == 2
    assert "no case matches 'nonsense'" in capsys.readouterr().err
