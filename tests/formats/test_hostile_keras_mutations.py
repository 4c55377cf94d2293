"""Damaged files of Keras and TensorFlow: every one is read, or refused by an error of ours.

In a process of its own: it forks, which one that holds the frameworks cannot.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.processes import run_process

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("count", "how"),
    [
        (200, ["--isolated"]),
        (1000, []),
        pytest.param(4000, ["--isolated"], marks=pytest.mark.slow),
        pytest.param(20_000, [], marks=pytest.mark.slow),
    ],
)
def test_mutated(count, how):
    process = run_process(
        [sys.executable, "-m", "tests.formats.fuzz_keras", str(count), "1", *how],
        env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    rows = [line.split(maxsplit=1) for line in process.stdout.splitlines()]
    assert sum(int(number) for number, _ in rows) == count
    assert {"keras-h5: read", "keras-h5: DamagedError"} <= {row for _, row in rows}
