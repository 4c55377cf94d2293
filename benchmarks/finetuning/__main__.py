"""`python -m benchmarks.finetuning`: five digits that a network does not know, from few images.

In each framework, a small ODConv network learns the digits 0 to 4; then the digits 5 to 9, from ten
images each, once from that checkpoint and once from random weights, by the same recipe. The head of
the checkpoint is of other classes, so that it starts at random, too. Writes results.md and
results.json into the output folder. Keras computes in the backend that KERAS_BACKEND names.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from benchmarks.finetuning.report import table, write
from benchmarks.finetuning.runs import FRAMEWORKS, all_runs
from benchmarks.parsers import measuring_parser

SEEDS = 5
_OUTPUT = Path("bench_output/finetuning")


def main(arguments: Sequence[str] | None = None) -> int:
    options = finetuning_parser().parse_args(arguments)
    found = all_runs(options.frameworks, options.seeds, options.jobs)
    write(found, options.output)
    sys.stdout.write(f"{table(found)}\n")
    return 0


def finetuning_parser() -> ArgumentParser:
    """The parser of `python -m benchmarks.finetuning`."""
    parser = measuring_parser(
        "benchmarks.finetuning",
        "Trains a small ODConv network on five digits that it does not know, from few images.\n\n"
        "It learns the digits 0 to 4; then the digits 5 to 9, from ten images each, once from\n"
        "that checkpoint and once from random weights, by the same recipe. Writes results.md and\n"
        "results.json. Keras computes in the backend that KERAS_BACKEND names.",
        "",
        "--frameworks torch --seeds 2",
    )
    add = parser.add_argument
    add(
        "--output",
        type=Path,
        default=_OUTPUT,
        metavar="FOLDER",
        help=f"where the files go (default: {_OUTPUT})",
    )
    add(
        "--frameworks",
        nargs="+",
        default=FRAMEWORKS,
        choices=FRAMEWORKS,
        metavar="NAME",
        help=f"what trains (default: {' '.join(FRAMEWORKS)})",
    )
    add("--seeds", type=int, default=SEEDS, metavar="N", help=f"number of seeds (default: {SEEDS})")
    add(
        "--jobs",
        type=int,
        default=2,
        metavar="N",
        help="number of frameworks side by side, a core each (default: 2)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
