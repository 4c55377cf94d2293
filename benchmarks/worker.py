"""Times all shapes in one framework and prints a row of a Markdown table for each."""

from __future__ import annotations

import sys
from importlib import import_module

from benchmarks.shapes import SHAPES
from benchmarks.timing import ratio


def main(runtime: str) -> None:
    forward = import_module(f"benchmarks.frameworks.{runtime.partition('-')[0]}").forward
    for shape in SHAPES:
        ours = forward(shape.dynamic(), shape.batch, shape.size)
        theirs = forward(shape.static(), shape.batch, shape.size)
        mine, static, times = ratio(ours, theirs)
        row = (runtime, str(shape), f"{static:.2f}", f"{mine:.2f}", f"{times:.2f}")
        sys.stdout.write(f"| {' | '.join(row)} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
