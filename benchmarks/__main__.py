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

from benchmarks.cases import GROUPS, OFFICIAL_CODE
from benchmarks.conditions import AUTO, CPU, CUDA, DEVICES, DTYPES, FLOAT32, Conditions
from benchmarks.machine import machine
from benchmarks.parsers import measuring_parser
from benchmarks.plots import plot
from benchmarks.records import Record
from benchmarks.runner import Plan, run
from benchmarks.selection import Selection, has_timm
from benchmarks.table import line, table
from parity_tests.processes import WorkerError

RUNTIMES = ("torch", "paddle", "keras-tensorflow", "keras-jax")
SHORT_ROUNDS, LONG_ROUNDS = 5, 7
_OUTPUT = Path("bench_output")
OFFICIAL_FILES = ("models/od_resnet.py", "models/od_mobilenetv2.py", "modules/odconv.py")


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
            "strategy": self.plan.conditions.strategy,
            "device": self.plan.conditions.device,
            "dtype": self.plan.conditions.dtype,
            "records": [record.to_dict() for record in self.records],
        }
        (folder / "results.json").write_text(json.dumps(values, indent=1) + "\n")
        shown = table(self.records, self._hardware())
        (folder / "results.md").write_text(f"{self._heading()}\n\n{shown}\n")
        plot(self.records, folder)

    def _heading(self) -> str:
        machine, conditions = self.machine, self.plan.conditions
        versions = [
            f"{name} {version}"
            for described in self.runtimes.values()
            for name, version in described.get("versions", {}).items()
        ]
        return (
            f"{machine['processor']}, {machine['cores']} cores, {machine['date']}; "
            f"{', '.join(dict.fromkeys(versions))}; medians of {self.plan.rounds} alternating "
            f"runs, ratios of neighbours with their quartiles, strategy {conditions.strategy}, "
            f"{conditions.dtype}.{self._left_out()}"
        )

    def _hardware(self) -> str:
        """Such as "AVX-512 (torch: AVX512)", what the figures of a table depend on most."""
        told = {name: described.get("hardware") for name, described in self.runtimes.items()}
        by_runtime = ", ".join(f"{name}: {words}" for name, words in told.items() if words)
        return f"{self.machine['instructions']}{f' ({by_runtime})' if by_runtime else ''}"

    def _left_out(self) -> str:
        if not self.plan.selection.official or has_timm():
            return ""
        return " Without CondConv layers beside timm's, which is not installed: pip install timm."


def main(arguments: Sequence[str] | None = None) -> int:
    parser = benchmarks_parser()
    options = parser.parse_args(arguments)
    _check(options, parser)
    selection = Selection(
        options.long,
        options.only or GROUPS,
        options.cases or ("*",),
        options.plain,
        options.device,
        options.official is not None,
    )
    runtimes = options.runtime or (("torch",) if _is_for_torch(options) else RUNTIMES)
    if not any(True for runtime in runtimes for _ in selection.cases(runtime)):
        sys.stderr.write(f"error: no case fits {options.only or ''} {options.cases or ''}\n")
        return 2
    rounds = LONG_ROUNDS if options.long or options.official else SHORT_ROUNDS
    official = str(options.official or "")
    conditions = Conditions(options.strategy, options.device, options.dtype, official)
    report = Report(Plan(selection, rounds, conditions), machine())
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


def _is_for_torch(options: argparse.Namespace) -> bool:
    """Whether something is asked for that no other runtime has."""
    return (options.device, options.dtype) != (CPU, FLOAT32) or options.only == [OFFICIAL_CODE]


def _check(options: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """Ends the command if two options do not go together, or the folder is none."""
    others = {*(options.runtime or ())} - {"torch"}
    if others and _is_for_torch(options):
        parser.error(
            "--device, --dtype and --only official: expected --runtime torch, received "
            f"{' '.join(sorted(others))}"
        )
    if OFFICIAL_CODE in (options.only or ()) and options.official is None:
        parser.error("--only official: expected --official FOLDER, a clone of OSVAI/ODConv")
    if options.official is not None and options.device == CUDA:
        parser.error("--official: expected --device cpu, the group is measured there")
    if options.official is not None:
        missing = [name for name in OFFICIAL_FILES if not (options.official / name).is_file()]
        if missing:
            parser.error(f"--official: expected a clone of OSVAI/ODConv, found no {missing[0]}")


def benchmarks_parser() -> argparse.ArgumentParser:
    """The parser of `python -m benchmarks`."""
    parser = measuring_parser(
        "benchmarks",
        "Measures ours beside the static network and the published formulation.\n\n"
        "Each runtime is measured in a process of its own. Writes results.md, results.json and\n"
        "pictures of ratios and curves, again after each runtime.",
        "",
        "--long --plain --runtime torch --only networks --cases '*/od-*'",
        "--official ODConv --only official",
    )
    add = parser.add_argument
    add("--long", action="store_true", help="measure all cases, which takes hours")
    add("--runtime", nargs="+", choices=RUNTIMES, help="what runs them (default: all)")
    add("--only", nargs="+", choices=GROUPS, help="groups of cases (default: all)")
    add(
        "--cases",
        nargs="+",
        metavar="PATTERN",
        help="cases, such as '*/od-4x/*/batch-32' (default: all)",
    )
    add(
        "--plain", action="store_true", help="leave out the published formulation, which takes long"
    )
    add(
        "--strategy",
        default=AUTO,
        metavar="FORM",
        help="form of the dynamic convolution in PyTorch (default: auto)",
    )
    add(
        "--official",
        type=Path,
        metavar="FOLDER",
        help="a clone of OSVAI/ODConv, whose code is run, for the group official",
    )
    add(
        "--device",
        default=CPU,
        choices=DEVICES,
        help="what computes; cuda measures networks in PyTorch, with their memory (default: cpu)",
    )
    add(
        "--dtype",
        default=FLOAT32,
        choices=DTYPES,
        help="dtype of arrays in inference and of autocast in training, in PyTorch (default: "
        "float32)",
    )
    add(
        "--output",
        type=Path,
        default=_OUTPUT,
        metavar="FOLDER",
        help=f"where the files go (default: {_OUTPUT})",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
