"""`python -m benchmarks.drift`: one training in every runtime, and how far they drift apart.

All start from the shipped checkpoint and see the same batches. Each trains by its own command,
`python -m odconv_F.train`, in a process of its own. The losses of each step, and the weights and
running statistics of the last one, stand beside those of PyTorch in float64. Writes drift.json and
drift.png into the output folder, and the table to standard output.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from benchmarks.parsers import measuring_parser
from odconv_training import LAST, digits
from parity_tests.runtimes import RUNTIMES
from weights_converter.identify.open_model import open_model
from weights_converter.identify.request import Request

ROOT = Path(__file__).parent.parent
START = ROOT / "examples" / "odconv4x_mobilenetv2_digits.pth.tar"
TRAINED = ("torch", "paddle", "keras-tensorflow", "keras-jax")
_OUTPUT = Path("bench_output/drift")
PRECISIONS = ("float64", "float32")
REFERENCE = ("torch", "float64")
# A rate at which this training is stable: where it is not, rounding grows in one runtime alone.
RECIPE = ("--lr", "0.001", "--batch-size", "128", "--schedule", "constant")


@dataclass(frozen=True)
class Drift:
    """Largest relative differences from the reference.

    Attributes:
        runtime: such as "keras-jax".
        precision: "float64" or "float32".
        losses: of each step.
        arrays: of the weights and running statistics after the last step, each relative to the
            largest value of its array.
    """

    runtime: str
    precision: str
    losses: tuple[float, ...]
    arrays: float


def main(arguments: Sequence[str] | None = None) -> int:
    options = drift_parser().parse_args(arguments)
    found = drifts(options.runtime, options.steps, options.output)
    path = options.output / "drift.json"
    path.write_text(json.dumps([asdict(drift) for drift in found], indent=1), encoding="utf-8")
    plot(found).savefig(options.output / "drift.png", dpi=110)
    sys.stdout.write(table(found))
    return 0


def drift_parser() -> ArgumentParser:
    """The parser of `python -m benchmarks.drift`."""
    parser = measuring_parser(
        "benchmarks.drift",
        "Trains one network in every runtime, and shows how far the trainings drift apart.\n\n"
        "All start from the shipped checkpoint and see the same batches. Writes drift.json and\n"
        "drift.png, and prints the table.",
        "",
        "--steps 20 --runtime torch keras-jax",
    )
    add = parser.add_argument
    add("--steps", type=int, default=100, metavar="N", help="length of the training (default: 100)")
    add(
        "--output",
        type=Path,
        default=_OUTPUT,
        metavar="FOLDER",
        help=f"where the files go (default: {_OUTPUT})",
    )
    add("--runtime", nargs="+", choices=TRAINED, default=TRAINED, help="what trains (default: all)")
    return parser


def drifts(runtimes: Sequence[str], steps: int, folder: Path) -> list[Drift]:
    """Trains what is asked for, and the reference."""
    train(*REFERENCE, steps, folder)
    found = []
    for precision in PRECISIONS:
        for runtime in runtimes:
            if (runtime, precision) != REFERENCE:
                train(runtime, precision, steps, folder)
            found.append(_compared(runtime, precision, folder))
    return found


def train(runtime: str, precision: str, steps: int, folder: Path) -> None:
    """Runs the framework's command into a folder of its own."""
    package = runtime.partition("-")[0]
    subprocess.run(
        [
            *(sys.executable, "-m", f"odconv_{package}.train", "--start", str(START), *RECIPE),
            *("--precision", precision, "--steps", str(steps), "--quiet"),
            *("--output", str(_folder(folder, runtime, precision)), "--overwrite"),
        ],
        env=os.environ | RUNTIMES[runtime].environment,
        cwd=ROOT,
        check=True,
    )


def table(found: Sequence[Drift]) -> str:
    """Markdown: the first and the worst of the losses, and the arrays after the last step."""
    lines = ["| runtime | precision | loss, first | loss, worst | arrays, last |", "|---" * 5 + "|"]
    lines += [
        f"| {drift.runtime} | {drift.precision} | {drift.losses[0]:.1e} | {max(drift.losses):.1e} "
        f"| {drift.arrays:.1e} |"
        for drift in found
    ]
    return "\n".join(lines) + "\n"


def plot(found: Sequence[Drift]) -> Figure:
    """Relative difference of the loss over the steps, a panel for each precision."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    for axis, precision in zip(figure.subplots(1, len(PRECISIONS)), PRECISIONS, strict=True):
        for drift in found:
            if drift.precision == precision and any(drift.losses):
                axis.semilogy(drift.losses, label=drift.runtime, linewidth=1)
        axis.set_title(precision)
        axis.set_xlabel("step")
        axis.set_ylabel("relative difference of the loss from PyTorch in float64")
        axis.grid(linewidth=0.3)
        axis.legend(fontsize=8)
    return figure


def _compared(runtime: str, precision: str, folder: Path) -> Drift:
    expected, path = _folder(folder, *REFERENCE), _folder(folder, runtime, precision)
    losses, exact = _losses(path), _losses(expected)
    differences = np.abs(losses - exact) / np.abs(exact)
    arrays = _arrays(path, runtime)
    worst = max(
        float(np.abs(arrays[name] - array).max() / np.abs(array).max())
        for name, array in _arrays(expected, REFERENCE[0]).items()
    )
    return Drift(runtime, precision, tuple(map(float, differences)), worst)


def _losses(folder: Path) -> np.ndarray:
    with (folder / "train.csv").open(encoding="utf-8", newline="") as file:
        return np.array([float(row["loss"]) for row in csv.DictReader(file)])


def _arrays(folder: Path, runtime: str) -> dict[str, np.ndarray]:
    """Canonical name -> values of the last checkpoint, read without its framework."""
    weights = open_model(Request(folder / LAST[runtime.partition("-")[0]], digits.spec()))
    return {name: tensor.load().astype("f8") for name, tensor in weights.tensors.items()}


def _folder(folder: Path, runtime: str, precision: str) -> Path:
    return folder / f"{runtime}-{precision}"


if __name__ == "__main__":
    sys.exit(main())
