"""Starts a process for each runtime and gathers its records."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from parity_tests.comparison import Record
from parity_tests.processes import answers
from parity_tests.runtimes import RUNTIMES
from parity_tests.sweep import USUAL, Sweep


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
    arguments = (str(sweep.seed), str(sweep.count), *patterns)
    environment = os.environ | RUNTIMES[runtime].suite
    lines = answers(runtime, "parity_tests.worker", arguments, environment)
    versions: dict[str, str] = {}
    records = []
    for values in lines:
        if "versions" in values:
            versions = values["versions"]
        else:
            records.append(Record(**values))
            listener(records[-1])
    return Result(runtime, versions, tuple(records))
