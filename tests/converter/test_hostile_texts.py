"""Texts and tables that ask for gigabytes or for hours: each is refused soon and within bounds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.converter.hostile_texts import FAMILIES

ROOT = Path(__file__).parents[2]
SECONDS = 5
MOST = (
    192 << 20
)  # bytes: what describes arrays takes 128 MiB, and a piece that is read is beside it


# Each takes a process and a second or two: every other one is for the slow run.
SOME = [
    pytest.param(family, marks=pytest.mark.slow if number % 2 else ())
    for number, family in enumerate(FAMILIES)
]


@pytest.mark.parametrize("family", SOME)
def test_bounds(tmp_path, family):
    path = FAMILIES[family](tmp_path)
    figures = json.loads(
        subprocess.run(
            [sys.executable, "-m", "tests.converter.read_and_measure", path],
            cwd=ROOT,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            capture_output=True,
            check=True,
        ).stdout
    )
    assert figures["seconds"] < SECONDS
    assert figures["grown"] < MOST
    assert figures["fate"].startswith(("RefusedError: ", "DamagedError: ")), figures["fate"]
    assert figures["deeds"] == []
