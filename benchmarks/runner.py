"""Starts the processes of a runtime and gathers their records."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from tempfile import TemporaryFile
from types import MappingProxyType
from typing import Any

from benchmarks.cases import MEMORY, Case
from benchmarks.contest import AUTO
from benchmarks.records import Record
from benchmarks.selection import Selection
from parity_tests.runtimes import RUNTIMES

# What the parity suite sets for its many small cases and would change what is measured here.
_OF_PARITY = ("JAX_ENABLE_X64", "XLA_FLAGS")
# The settings that the README recommends, unless the user has others.
_RECOMMENDED = MappingProxyType({"paddle": MappingProxyType({"MKL_DEBUG_CPU_TYPE": "5"})})


class WorkerError(RuntimeError):
    """A process did not finish: its framework is missing, or outputs differ, or it crashed."""


@dataclass(frozen=True)
class Plan:
    """What to measure and how often."""

    selection: Selection
    rounds: int = 5
    strategy: str = AUTO


def run(runtime: str, plan: Plan, listener: Callable[[Record], None]) -> dict[str, Any]:
    """Measures all cases of the plan in one runtime and hands each record over as it is there.

    Returns:
        The versions of what the runtime consists of, its threads, and the environment set for it.

    Raises:
        WorkerError: with the process's own words.
    """
    described: dict[str, Any] = {"environment": _settings(runtime)}
    options = asdict(plan.selection) | {"rounds": plan.rounds, "strategy": plan.strategy}
    for values in _lines(runtime, "benchmarks.worker", json.dumps(options)):
        if "versions" in values:
            described |= values
        else:
            listener(Record(**{f.name: values[f.name] for f in fields(Record)}))
    for case in plan.selection.cases(runtime):
        if case.group == MEMORY:
            listener(_memory(runtime, case, plan.strategy))
    return described


def _memory(runtime: str, case: Case, strategy: str) -> Record:
    figures = {}
    for variant in case.variants:
        (values,) = _lines(runtime, "benchmarks.memory", case.id, variant, strategy)
        figures[variant] = [values["peak"]]
    return Record.of(
        case, runtime=runtime, unit="MiB", figures=figures, difference=None, strategy=strategy
    )


def _lines(runtime: str, module: str, *arguments: str) -> Iterator[dict[str, Any]]:
    """The JSON objects that the process writes, as it writes them."""
    with (
        TemporaryFile("w+") as errors,
        subprocess.Popen(
            [sys.executable, "-m", module, runtime, *arguments],
            env=environment(runtime),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        for line in process.stdout or ():
            if line.startswith("{"):  # frameworks write to standard output, too
                yield json.loads(line)
        if process.wait():
            errors.seek(0)
            words = errors.read()[-3000:]
            raise WorkerError(f"{runtime} stopped with exit code {process.returncode}:\n{words}")


def environment(runtime: str) -> dict[str, str]:
    """That of the runtime's processes."""
    return _settings(runtime) | os.environ | _of_runtime(runtime)


def _settings(runtime: str) -> dict[str, str]:
    return dict(_RECOMMENDED.get(runtime, {})) | _of_runtime(runtime)


def _of_runtime(runtime: str) -> dict[str, str]:
    return {name: v for name, v in RUNTIMES[runtime].items() if name not in _OF_PARITY}
