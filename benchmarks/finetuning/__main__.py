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

SEEDS = 5


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    found = all_runs(options.frameworks, options.seeds, options.jobs)
    write(found, options.output)
    sys.stdout.write(f"{table(found)}\n")
    return 0


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="python -m benchmarks.finetuning", description=__doc__)
    add = parser.add_argument
    add("--output", type=Path, default=Path("bench_output/finetuning"), metavar="FOLDER")
    add("--frameworks", nargs="+", default=FRAMEWORKS, choices=FRAMEWORKS, metavar="NAME")
    add("--seeds", type=int, default=SEEDS, metavar="N")
    add("--jobs", type=int, default=2, metavar="N", help="frameworks side by side, a core each")
    return parser


if __name__ == "__main__":
    sys.exit(main())
