"""`odconv demo` in every runtime."""

from __future__ import annotations

import json

from odconv.main import main
from parity_tests.runtimes import RUNTIMES


def test_every_runtime_has_the_published_numbers(tmp_path, capsys):
    assert main(["demo", str(tmp_path), "--json"]) == 0
    runs = json.loads(capsys.readouterr().out)["runs"]
    assert [run["runtime"] for run in runs] == list(RUNTIMES)
    for run in runs:
        assert 0 < run["difference"] < 1e-3
        assert 96 < run["accuracy"] < 98
