"""Starts a process for each runtime and gathers its records."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import Any

from parity_tests.comparison import Record
from parity_tests.runtimes import RUNTIMES
from parity_tests.sweep import USUAL, Sweep


class WorkerError(RuntimeError):
    """A runtime's process did not finish: its framework is missing, or the run crashed."""


@dataclass(frozen=True)
class Result:
    """All records of one runtime, and what it consists of."""

    runtime: str
    versions: dict[str, str]
    records: tuple[Record, ...]


def run(
    runtime: str,
    patterns: Sequence[str] = ("*",),
    listener: Callable[[Record], None] = lambda record: None,
    sweep: Sweep = USUAL,
) -> Result:
    """Runs the cases whose id matches one of the patterns in one runtime.

    Raises:
        ValueError: unknown runtime.
        WorkerError: the runtime cannot be imported, or a case raised; with the process's own words.
    """
    if runtime not in RUNTIMES:
        raise ValueError(f"runtime: expected one of {list(RUNTIMES)}, received {runtime!r}")
    lines = _lines(runtime, sweep, patterns)
    versions: dict[str, str] = {}
    records = []
    for values in lines:
        if "versions" in values:
            versions = values["versions"]
        else:
            records.append(Record(**values))
            listener(records[-1])
    return Result(runtime, versions, tuple(records))


def _lines(runtime: str, sweep: Sweep, patterns: Sequence[str]) -> Iterator[dict[str, Any]]:
    drawn = (str(sweep.seed), str(sweep.count))
    command = [sys.executable, "-m", "parity_tests.worker", runtime, *drawn, *patterns]
    environment = os.environ | RUNTIMES[runtime]
    with (
        TemporaryFile("w+") as errors,
        subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        for line in process.stdout or ():
            if line.startswith("{"):  # frameworks write to standard output, too
                yield json.loads(line)
        if process.wait():
            errors.seek(0)
            words = errors.read()[-3000:]
            raise WorkerError(f"{runtime} stopped with exit code {process.returncode}:\n{words}")
