"""Compares every runtime with the reference and prints one table.

Exits with 1 if a number is further away than its tolerance, with 2 if a runtime cannot be run.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from parity_tests.comparison import Record
from parity_tests.processes import WorkerError
from parity_tests.runner import Result, run
from parity_tests.runtimes import RUNTIMES
from parity_tests.sweep import Sweep
from parity_tests.table import table


def main(arguments: Sequence[str] | None = None) -> int:
    options = parity_parser().parse_args(arguments)
    sweep = Sweep(options.seed, options.count)
    results = []
    for runtime in options.runtime or RUNTIMES:
        try:
            results.append(run(runtime, options.cases or ("*",), _listener(runtime), sweep))
        except WorkerError as error:
            sys.stderr.write(f"error: {error}\n")
            return 2
    if not any(result.records for result in results):
        sys.stderr.write(f"error: no case matches {options.cases}\n")
        return 2
    return _report(results, sweep)


def _report(results: Sequence[Result], sweep: Sweep) -> int:
    failed = [(r.runtime, record) for r in results for record in r.records if not record.ok]
    sys.stdout.write(table(results) + "\n")
    for runtime, record in failed:
        sys.stdout.write(f"{runtime}: {record}\n")
    count = sum(len(result.records) for result in results)
    sys.stdout.write(f"{count - len(failed)} passed, {len(failed)} failed\n")
    sys.stdout.write(f"sweep/{sweep.seed}-* is drawn with --seed {sweep.seed}\n")
    return 1 if failed else 0


def _listener(runtime: str) -> Callable[[Record], None]:
    """Names the case at hand on a terminal."""

    def show(record: Record) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{runtime}: {record.case:<60.60}")

    return show


def parity_parser() -> argparse.ArgumentParser:
    """The parser of `python -m parity_tests`."""
    parser = argparse.ArgumentParser(
        prog="python -m parity_tests",
        description=__doc__,
        epilog="examples:\n  python -m parity_tests --runtime torch --cases 'golden/*'\n"
        "  python -m parity_tests --seed 7 --cases 'sweep/*'",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--runtime",
        action="append",
        choices=list(RUNTIMES),
        help="a runtime; may be repeated (default: all)",
    )
    parser.add_argument(
        "--cases",
        action="append",
        metavar="PATTERN",
        help="cases, such as 'golden/*' or '*/float64'; may be repeated (default: all)",
    )
    parser.add_argument("--seed", type=int, default=Sweep.seed, help="seed of the random layers")
    parser.add_argument(
        "--count", type=int, default=Sweep.count, help="number of the random layers"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
