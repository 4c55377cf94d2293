"""What reading a file takes, by the process of `read_and_measure.py`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
Measure = Callable[..., dict[str, Any]]


@contextmanager
def measuring() -> Iterator[Measure]:
    """A function of a file, and of whether its arrays are loaded, to the figures of one reading."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.converter.read_and_measure"],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None and stdout is not None

        def measure(path: Path, load: bool = False) -> dict[str, Any]:
            stdin.write(json.dumps([str(path), load]) + "\n")
            stdin.flush()
            figures: dict[str, Any] = json.loads(stdout.readline())
            assert "status" not in figures, f"the process ended with {figures['status']}"
            return figures

        yield measure
