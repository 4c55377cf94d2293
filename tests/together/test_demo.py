"""`odconv demo` in every runtime."""

from __future__ import annotations

import json
import os
import sys

from odconv.main import main
from parity_tests.runtimes import RUNTIMES
from tests.distributions import ROOT
from tests.processes import run_process


def test_every_runtime_has_the_published_numbers(tmp_path, capsys):
    assert main(["demo", str(tmp_path), "--json"]) == 0
    runs = json.loads(capsys.readouterr().out)["runs"]
    assert [run["runtime"] for run in runs] == list(RUNTIMES)
    for run in runs:
        assert 0 < run["difference"] < 1e-3
        assert 96 < run["accuracy"] < 98


def test_the_picture_of_the_readme_can_be_drawn(tmp_path):
    run_process(
        [sys.executable, ROOT / "examples" / "kernels.py", tmp_path / "kernels.png"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert (tmp_path / "kernels.png").read_bytes().startswith(b"\x89PNG")
