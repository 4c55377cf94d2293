"""Runs the cases in one runtime and writes a record for each quantity, a JSON object a line.

Started by `parity_tests.runner` in a process of its own, because one process has one Keras backend
and the frameworks' thread pools disturb each other.
"""

from __future__ import annotations

import json
import sys
from fnmatch import fnmatch
from importlib import import_module

from parity_tests.adapters import Adapter
from parity_tests.cases import all_cases
from parity_tests.comparison import compare
from parity_tests.problems import Case
from parity_tests.processes import telling_what_is_missing
from parity_tests.reference import Run, Training
from parity_tests.sweep import Sweep


def main(runtime: str, seed: str, count: str, *patterns: str) -> None:
    with telling_what_is_missing():
        module = import_module(f"parity_tests.adapters.{runtime.replace('-', '_')}")
    adapter: Adapter = module.ADAPTER
    _say({"runtime": runtime, "versions": adapter.versions()})
    for case in all_cases(Sweep(int(seed), int(count))):
        if any(fnmatch(case.id, pattern) for pattern in patterns):
            for record in compare(case, solve(adapter, case), case.expected()):
                _say(record.to_dict())


def solve(adapter: Adapter, case: Case) -> Run | Training:
    """What the runtime makes of the case."""
    return (adapter.run if case.problem.labels is None else adapter.train)(case.problem)


def _say(values: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
