"""`python -m benchmarks.accuracy`: static, CondConv, DyConv and ODConv learn the digits.

One small network, with heads that start as published and at zero, with and without annealing, two
widths, five seeds. Writes runs.csv, results.md, results.json and accuracy.png into the output
folder, again after each run; started again, it trains only what is missing there.

`--methods` compares all methods instead, each with its own defaults, in one small ResNet.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from itertools import product
from math import inf
from pathlib import Path

from benchmarks.accuracy.methods import methods
from benchmarks.accuracy.report import table, write
from benchmarks.accuracy.runs import Job, Run, add_run, missing, read_runs, train_all
from benchmarks.accuracy.settings import WIDTHS, settings
from benchmarks.parsers import measuring_parser

EPOCHS, SEEDS = 6, 5
_OUTPUT = Path("bench_output/accuracy")
QUICK_EPOCHS, QUICK_WIDTHS = 1, (0.25,)


def main(arguments: Sequence[str] | None = None) -> int:
    options = accuracy_parser().parse_args(arguments)
    options.output.mkdir(parents=True, exist_ok=True)
    wanted = jobs(options)
    left = missing(wanted, read_runs(options.output))
    for count, run in enumerate(train_all(left, options.jobs, 60 * options.minutes), start=1):
        add_run(options.output, run)
        write(_in_order(wanted, read_runs(options.output)), options.output)
        sys.stderr.write(f"{count} of {len(left)}: {_line(run)}\n")
    found = _in_order(wanted, read_runs(options.output))
    write(found, options.output)
    sys.stdout.write(f"{table(found)}\n")
    return 0


def jobs(options: Namespace) -> list[Job]:
    """All settings of the first seed come first, so that half a study shows something."""
    if options.quick:
        return [Job(setting, 0, QUICK_EPOCHS) for setting in settings(QUICK_WIDTHS)]
    chosen = list(methods() if options.methods else settings(tuple(options.widths)))
    return [
        Job(setting, seed, options.epochs)
        for seed, setting in product(range(options.seeds), chosen)
    ]


def _in_order(wanted: Sequence[Job], runs: Sequence[Run]) -> list[Run]:
    return [run for job in wanted for run in runs if run.is_of(job.setting, job.seed, job.epochs)]


def _line(run: Run) -> str:
    return (
        f"{run.network} x{run.width:g}, heads {run.heads}, annealed {run.annealed}, seed "
        f"{run.seed}: {run.top1:.1f} % (best {run.best_top1:.1f} %), {run.seconds:.0f} s"
    )


def accuracy_parser() -> ArgumentParser:
    """The parser of `python -m benchmarks.accuracy`."""
    parser = measuring_parser(
        "benchmarks.accuracy",
        "Trains static, CondConv, DyConv and ODConv networks on the digits, and compares them.\n\n"
        "One small network, with heads that start as published and at zero, with and without\n"
        "annealing. Writes runs.csv, results.md, results.json and accuracy.png, again after each\n"
        "run; started again, it trains only what is missing there.",
        "",
        "--methods --seeds 3",
        "--quick",
    )
    add = parser.add_argument
    add(
        "--output",
        type=Path,
        default=_OUTPUT,
        metavar="FOLDER",
        help=f"where the files go (default: {_OUTPUT})",
    )
    add("--quick", action="store_true", help="train one seed, one epoch, the smallest width")
    add(
        "--methods",
        action="store_true",
        help="compare all methods instead, each with its own defaults, in one small ResNet",
    )
    add(
        "--epochs",
        type=int,
        default=EPOCHS,
        metavar="N",
        help=f"length of a run (default: {EPOCHS})",
    )
    add("--seeds", type=int, default=SEEDS, metavar="N", help=f"number of seeds (default: {SEEDS})")
    add(
        "--widths",
        type=float,
        nargs="+",
        default=WIDTHS,
        metavar="X",
        help=f"widths of the network (default: {' '.join(map(str, WIDTHS))})",
    )
    add(
        "--jobs",
        type=int,
        default=2,
        metavar="N",
        help="number of runs side by side, a core each (default: 2)",
    )
    add(
        "--minutes",
        type=float,
        default=inf,
        metavar="X",
        help="time after which no run begins (default: no limit)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
