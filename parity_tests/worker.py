"""Runs the cases in one runtime and writes a record for each quantity, a JSON object a line.

Started by `parity_tests.runner` in a process of its own.
"""

from __future__ import annotations

import sys
from fnmatch import fnmatch

from parity_tests.adapters import Adapter, adapter_of
from parity_tests.cases import all_cases
from parity_tests.comparison import compare
from parity_tests.problems import Case
from parity_tests.processes import answer, telling_what_is_missing
from parity_tests.reference import Run, Training
from parity_tests.sweep import Sweep


def main(runtime: str, seed: str, count: str, *patterns: str) -> None:
    with telling_what_is_missing():
        adapter = adapter_of(runtime)
    answer({"runtime": runtime, "versions": adapter.versions()})
    for case in all_cases(Sweep(int(seed), int(count))):
        if any(fnmatch(case.id, pattern) for pattern in patterns):
            for record in compare(case, solve(adapter, case), case.expected()):
                answer(record.to_dict())


def solve(adapter: Adapter, case: Case) -> Run | Training:
    """What the runtime makes of the case."""
    return (adapter.run if case.problem.labels is None else adapter.train)(case.problem)


if __name__ == "__main__":
    main(*sys.argv[1:])
