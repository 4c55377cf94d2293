"""What memory alone takes of a network with several kernels, beside the static network.

    python -m benchmarks.bounds [--networks NAME:KERNELS ...] [--targets NAME ...]
        [--batches N ...] [--training] [--rounds N]

No way to compute a dynamic network passes its kernels less often than this: inference reads once
those that the static network does not have; a training step reads them once forward and once
backward, writes their gradients once, and lets the optimiser pass them. With what the static
network takes that is a lower bound. Where each operation stands on its own, as in an exported
graph, the mixed kernels of each sample are written as well, and in training their gradients. Passes
use all threads, and memory that the process has already.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
import torch

from benchmarks.exported import SEED, SIZE, Run, eager, medians, played, saved
from benchmarks.frameworks.base import LEARNING_RATE, MOMENTUM
from benchmarks.frameworks.torch import FRAMEWORK
from benchmarks.machine import machine
from benchmarks.parsers import bounds_parser
from odconv.exporting.targets import PORTABLE, TARGETS
from odconv_spec import BackboneSpec, model_spec
from odconv_torch.layers.kernel_bank import KernelBank
from odconv_torch.models.factory import build_model

STATIC, OURS = "static", "ours"
READ, MADE, WRITTEN, UPDATED = PASSES = ("read", "made", "written", "updated")
HEADS: Final = (
    *("network", "runtime", "step", "static, ms", "kernels read, ms", "mixed kernels written, ms"),
    *("gradients written, ms", "optimiser, ms", "bound", "bound of separate operations", "ours"),
)


def main(arguments: list[str]) -> int:
    options = bounds_parser().parse_args(arguments)
    _say(", ".join(f"{key}: {value}" for key, value in machine().items()) + "\n")
    _say(f"| {' | '.join(HEADS)} |\n{'| --- ' * len(HEADS)}|")
    for word in options.networks:
        for target in ["torch"] if options.training else options.targets:
            for batch in options.batches:
                cells = _cells(_taken(word, target, batch, options.training, options.rounds))
                step = f"{'training' if options.training else 'inference'}, {batch}"
                _say(f"| {' | '.join((word, target, step, *cells))} |")
    return 0


def _taken(word: str, target: str, batch: int, trains: bool, rounds: int) -> dict[str, float]:
    """Seconds of both networks and of the passes; `word` is such as "od_resnet18:4"."""
    name, _, kernels = word.partition(":")
    ours, static = model_spec(name, kernel_num=int(kernels)), name.partition("_")[2]
    specs = {STATIC: model_spec(static), OURS: ours}
    with TemporaryDirectory() as folder:
        runs = _steps(specs, batch) if trains else _inferences(specs, target, batch, Path(folder))
        return medians({**runs, **_passes(_banks(ours), batch, trains)}, batch, rounds)


def _inferences(
    specs: Mapping[str, BackboneSpec], target: str, batch: int, folder: Path
) -> dict[str, Run]:
    """Both networks, in the target's form for this batch if they are exported."""
    folders = {name: saved(spec, folder / name) for name, spec in specs.items()}
    if target == "torch":
        return {name: eager(here) for name, here in folders.items()}
    (row,) = (row for row in TARGETS if row.name == target)
    forms = {STATIC: PORTABLE, OURS: row.default_form(integers=False, batch=batch)[0]}
    return {name: played(here, target, forms[name], batch) for name, here in folders.items()}


def _steps(specs: Mapping[str, BackboneSpec], batch: int) -> dict[str, Run]:
    """A step of each."""
    generator = np.random.default_rng(SEED)
    images = generator.standard_normal((batch, 3, SIZE, SIZE), np.float32)
    steps = {
        name: FRAMEWORK.step(build_model(s), images, generator.integers(0, s.num_classes, batch))
        for name, s in specs.items()
    }
    return {name: _of_no_images(step) for name, step in steps.items()}


def _of_no_images(step: Callable[[], object]) -> Run:
    return lambda images: step()


def _banks(spec: BackboneSpec) -> list[tuple[int, int]]:
    """Kernels of each layer, and the elements of one."""
    layers = (m for m in build_model(spec).modules() if isinstance(m, KernelBank))
    return [(len(layer.weight), layer.weight[0].numel()) for layer in layers]


def _passes(banks: Sequence[tuple[int, int]], batch: int, trains: bool) -> dict[str, Run]:
    """Each over the kernels that the static network does not have, or over those of each sample."""
    others, mixed = [], []
    for count, size in banks:
        others.append(torch.rand(count - 1, size))
        mixed.append(torch.rand(batch, size))
    passes = {READ: _each(torch.sum, others), MADE: _each(lambda kernels: kernels.fill_(1), mixed)}
    if not trains:
        return passes
    for tensor in others:
        tensor.grad = torch.rand_like(tensor)
    optimiser = torch.optim.SGD(others, LEARNING_RATE, MOMENTUM)
    gradients = [tensor.grad for tensor in others if tensor.grad is not None]
    written = _each(lambda gradient: gradient.fill_(1), gradients)
    return {**passes, WRITTEN: written, UPDATED: lambda images: optimiser.step()}


def _each(do: Callable[[torch.Tensor], torch.Tensor], tensors: list[torch.Tensor]) -> Run:
    def run(images: np.ndarray) -> None:
        for tensor in tensors:
            do(tensor)

    return run


def _cells(taken: Mapping[str, float]) -> Iterator[str]:
    """`taken` are seconds."""
    yield from (f"{1e3 * taken[name]:.1f}" if name in taken else "" for name in (STATIC, *PASSES))
    trains = WRITTEN in taken
    passed = taken[READ]
    if trains:  # forward and backward
        passed = 2 * passed + taken[WRITTEN] + taken[UPDATED]
    apart = passed + taken[MADE] * (2 if trains else 1)
    for seconds in (taken[STATIC] + passed, taken[STATIC] + apart, taken[OURS]):
        yield f"{seconds / taken[STATIC]:.2f}"


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
