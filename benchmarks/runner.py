"""Starts the processes of a runtime and gathers their records."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any

from benchmarks.cases import CONVERSIONS, MEMORY, Case
from benchmarks.conditions import Conditions
from benchmarks.conversion import converted
from benchmarks.records import Record
from benchmarks.selection import Selection
from parity_tests.processes import answers
from parity_tests.runtimes import RUNTIMES

# The settings that the README recommends, unless the user has others.
_RECOMMENDED = MappingProxyType({"paddle": MappingProxyType({"MKL_DEBUG_CPU_TYPE": "5"})})


@dataclass(frozen=True)
class Plan:
    """What to measure and how often."""

    selection: Selection
    rounds: int = 5
    conditions: Conditions = field(default_factory=Conditions)


def run(runtime: str, plan: Plan, listener: Callable[[Record], None]) -> dict[str, Any]:
    """Measures all cases of the plan in one runtime and hands each record over as it is there.

    Returns:
        The versions of what the runtime consists of, its threads, and the environment set for it.

    Raises:
        WorkerError: with the process's own words.
    """
    described: dict[str, Any] = {"environment": _settings(runtime)}
    for selection in plan.selection.processes(runtime):
        options = json.dumps(asdict(replace(plan, selection=selection)))
        for values in _answers(runtime, "benchmarks.worker", options):
            if "versions" in values:
                described |= values
            else:
                listener(Record(**{f.name: values[f.name] for f in fields(Record)}))
    for case in plan.selection.cases(runtime):
        if case.group == MEMORY:
            listener(_memory(runtime, case, plan.conditions.strategy))
        if case.group == CONVERSIONS:
            listener(converted(case, runtime, plan.rounds))
    return described


def _memory(runtime: str, case: Case, strategy: str) -> Record:
    figures = {}
    for variant in case.variants:
        (values,) = _answers(runtime, "benchmarks.memory", case.id, variant, strategy)
        figures[variant] = [values["peak"]]
    return Record.of(
        case, runtime=runtime, unit="MiB", figures=figures, difference=None, strategy=strategy
    )


def _answers(runtime: str, module: str, *arguments: str) -> Iterator[dict[str, Any]]:
    return answers(runtime, module, arguments, environment(runtime))


def environment(runtime: str) -> dict[str, str]:
    """That of the runtime's processes."""
    return {**_settings(runtime), **os.environ, **RUNTIMES[runtime].environment}


def _settings(runtime: str) -> dict[str, str]:
    return {**_RECOMMENDED.get(runtime, {}), **RUNTIMES[runtime].environment}
