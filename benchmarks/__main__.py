"""`python -m benchmarks`: ours beside the static network and the published formulation.

Each runtime is measured in a process of its own. Writes results.md, results.json and pictures of
ratios and curves into the output folder, again after each runtime.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.cases import GROUPS
from benchmarks.contest import AUTO
from benchmarks.machine import machine
from benchmarks.plots import plot
from benchmarks.records import Record
from benchmarks.runner import Plan, run
from benchmarks.selection import Selection
from benchmarks.table import line, table
from parity_tests.processes import WorkerError

RUNTIMES = ("torch", "paddle", "keras-tensorflow", "keras-jax")
SHORT_ROUNDS, LONG_ROUNDS = 5, 7


@dataclass
class Report:
    """What has been measured so far."""

    plan: Plan
    machine: dict[str, Any]
    runtimes: dict[str, dict[str, Any]] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    start: float = field(default_factory=time.monotonic)

    def add(self, record: Record) -> None:
        self.records.append(record)
        sys.stderr.write(f"{time.monotonic() - self.start:5.0f} s  {line(record)}\n")
        sys.stderr.flush()

    def write(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        values = {
            "machine": self.machine,
            "runtimes": self.runtimes,
            "rounds": self.plan.rounds,
            "strategy": self.plan.strategy,
            "records": [record.to_dict() for record in self.records],
        }
        (folder / "results.json").write_text(json.dumps(values, indent=1) + "\n")
        (folder / "results.md").write_text(f"{self._heading()}\n\n{table(self.records)}\n")
        plot(self.records, folder)

    def _heading(self) -> str:
        machine = self.machine
        versions = [
            f"{name} {version}"
            for described in self.runtimes.values()
            for name, version in described.get("versions", {}).items()
        ]
        return (
            f"{machine['processor']}, {machine['cores']} cores, {machine['date']}; "
            f"{', '.join(dict.fromkeys(versions))}; medians of {self.plan.rounds} alternating "
            f"runs, ratios of neighbours with their quartiles, strategy {self.plan.strategy}."
        )


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    patterns = options.cases or ("*",)
    selection = Selection(options.long, options.only or GROUPS, patterns, options.plain)
    runtimes = options.runtime or RUNTIMES
    if not any(True for runtime in runtimes for _ in selection.cases(runtime)):
        sys.stderr.write(f"error: no case fits {options.only or ''} {options.cases or ''}\n")
        return 2
    rounds = LONG_ROUNDS if options.long else SHORT_ROUNDS
    report = Report(Plan(selection, rounds, options.strategy), machine())
    try:
        for runtime in runtimes:
            report.runtimes[runtime] = run(runtime, report.plan, report.add)
            report.write(options.output)
    except WorkerError as error:
        report.write(options.output)
        sys.stderr.write(f"error: {error}\n")
        return 2
    sys.stdout.write((options.output / "results.md").read_text())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--long", action="store_true", help="all cases: takes hours")
    parser.add_argument("--runtime", nargs="+", choices=RUNTIMES, help="all by default")
    parser.add_argument("--only", nargs="+", choices=GROUPS, help="groups of cases")
    parser.add_argument(
        "--cases", nargs="+", metavar="PATTERN", help="such as '*/od-4x/*/batch-32'"
    )
    parser.add_argument(
        "--plain", action="store_true", help="without the published formulation, which takes long"
    )
    parser.add_argument(
        "--strategy", default=AUTO, help="forces one of our ways to compute; auto by default"
    )
    parser.add_argument("--output", type=Path, default=Path("bench_output"), metavar="FOLDER")
    return parser


if __name__ == "__main__":
    sys.exit(main())
