"""Times the cases of one runtime and writes a JSON object a line: versions first, then records.

Started by `benchmarks.runner` in a process of its own, because one process has one Keras backend
and the frameworks' thread pools disturb each other.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

from benchmarks.cases import CONVERSIONS, MEMORY, Case
from benchmarks.conditions import Conditions
from benchmarks.contest import contestant, difference
from benchmarks.frameworks.base import Framework, Run
from benchmarks.records import Record
from benchmarks.selection import Selection
from benchmarks.timing import alternate
from parity_tests.processes import answer, telling_what_is_missing

_USUAL = Conditions()


def main(runtime: str, options: str) -> None:
    """`options` are JSON: `selection` and `conditions`, which are their fields, and `rounds`."""
    values = json.loads(options)
    conditions = Conditions(**values["conditions"])
    framework = load(runtime, conditions)
    answer(
        {
            "versions": framework.versions(),
            "threads": framework.threads(),
            "hardware": framework.hardware(),
        }
    )
    for case in Selection(**values["selection"]).cases(runtime):
        if case.group not in (MEMORY, CONVERSIONS):
            for record in measured(framework, runtime, case, values["rounds"], conditions):
                answer(record.to_dict())
            gc.collect()  # the models are gone before the next are built


def load(runtime: str, conditions: Conditions = _USUAL) -> Framework:
    with telling_what_is_missing():
        module = import_module(f"benchmarks.frameworks.{runtime.replace('-', '_')}")
    framework: Framework = module.FRAMEWORK
    try:
        return framework.in_conditions(conditions)
    except ValueError as error:
        raise SystemExit(str(error)) from error


def measured(
    framework: Framework, runtime: str, case: Case, rounds: int, conditions: Conditions
) -> Iterator[Record]:
    """The times of a case and, of an accelerator, the peaks of its memory.

    A variant that finds no room has no figures.
    """
    runs, outputs, peaks = {}, {}, {}
    for name in case.variants:
        started = _started(framework, case, name, conditions)
        if started is not None:
            runs[name], outputs[name], peaks[name] = started
    common: dict[str, Any] = {
        "runtime": runtime,
        "difference": difference(framework, case, outputs, conditions),
        "strategy": conditions.strategy,
    }
    del outputs
    no_room: dict[str, list[float]] = {name: [] for name in case.variants}
    seconds = alternate(runs, rounds)
    times = {name: [1e3 * value for value in values] for name, values in seconds.items()}
    yield Record.of(case, unit="ms", figures=no_room | times, **common)
    on_device = {name: [peak] for name, peak in peaks.items() if peak is not None}
    if on_device:
        of_memory = replace(case, group=MEMORY)
        yield Record.of(of_memory, unit="MiB", figures=no_room | on_device, **common)


def _started(
    framework: Framework, case: Case, variant: str, conditions: Conditions
) -> tuple[Run, Sequence[Any], float | None] | None:
    """A variant, what its first run gives and takes; None if there is no memory for it."""
    try:
        run = contestant(framework, case, variant, conditions)
        return run, *framework.with_peak(run)
    except framework.out_of_memory:
        return None


if __name__ == "__main__":
    main(*sys.argv[1:])
