"""Times the cases of one runtime and writes a JSON object a line: versions first, then records.

Started by `benchmarks.runner` in a process of its own, because one process has one Keras backend
and the frameworks' thread pools disturb each other.
"""

from __future__ import annotations

import gc
import json
import sys
from importlib import import_module

from benchmarks.cases import CONVERSIONS, MEMORY, Case
from benchmarks.contest import contestant, difference
from benchmarks.frameworks.base import Framework
from benchmarks.records import Record
from benchmarks.selection import Selection
from benchmarks.timing import alternate
from parity_tests.processes import answer, telling_what_is_missing


def main(runtime: str, options: str) -> None:
    """`options` are JSON: those of `Selection`, `rounds` and `strategy`."""
    values = json.loads(options)
    rounds, strategy = values.pop("rounds"), values.pop("strategy")
    framework = load(runtime)
    answer({"versions": framework.versions(), "threads": framework.threads()})
    for case in Selection(**values).cases(runtime):
        if case.group not in (MEMORY, CONVERSIONS):
            answer(measured(framework, runtime, case, rounds, strategy).to_dict())
            gc.collect()  # the models are gone before the next are built


def load(runtime: str) -> Framework:
    with telling_what_is_missing():
        module = import_module(f"benchmarks.frameworks.{runtime.replace('-', '_')}")
    framework: Framework = module.FRAMEWORK
    return framework


def measured(framework: Framework, runtime: str, case: Case, rounds: int, strategy: str) -> Record:
    runs = {name: contestant(framework, case, name, strategy) for name in case.variants}
    error = difference(framework, case, {name: run() for name, run in runs.items()})
    seconds = alternate(runs, rounds)
    return Record.of(
        case,
        runtime=runtime,
        unit="ms",
        figures={name: [1e3 * value for value in values] for name, values in seconds.items()},
        difference=error,
        strategy=strategy,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
