"""Networks by `optimize_for_inference` beside themselves and the static ones, in PyTorch.

    python -m benchmarks.inference [--networks NAME:KERNELS ...] [--batches N ...] [--rounds N]
        [--strategy NAME]

Prints a table: milliseconds of the plain static network, and what the others take as a multiple of
that. All of a row run in one process, in turn; times are medians.
"""

from __future__ import annotations

import sys
from statistics import median
from typing import Final

import numpy as np
import torch
from torch import nn

from benchmarks.machine import machine
from benchmarks.parsers import inference_parser
from benchmarks.timing import Run, alternate
from odconv_spec import BackboneSpec, model_spec
from odconv_torch import optimize_for_inference, set_strategy
from odconv_torch.models.factory import build_model

VARIANTS: Final = ("static", "static optimized", "ours", "ours optimized")
_SIZE, _SEED = 224, 5


def main(arguments: list[str]) -> int:
    options = inference_parser().parse_args(arguments)
    _say(", ".join(f"{key}: {value}" for key, value in machine().items()))
    _say(f"torch: {torch.__version__}, threads: {torch.get_num_threads()}\n")
    _say(f"| network | batch | static, ms | {' | '.join(VARIANTS[1:])} | difference |")
    _say("| --- " * (len(VARIANTS) + 3) + "|")
    for name in options.networks:
        for batch in options.batches:
            _say(row(name, batch, options.rounds, options.strategy))
    return 0


def row(name: str, batch: int, rounds: int, strategy: str) -> str:
    """One network at one batch size."""
    title, _, kernels = name.partition(":")
    ours = network(model_spec(title, kernel_num=int(kernels), head_init="published"))
    set_strategy(ours, strategy)
    static = network(model_spec(title.partition("_")[2]))
    models = (static, optimize_for_inference(static), ours, optimize_for_inference(ours))
    images = torch.randn(batch, 3, _SIZE, _SIZE, generator=torch.Generator().manual_seed(_SEED))
    runs = {variant: run(model, images) for variant, model in zip(VARIANTS, models, strict=True)}
    outputs = [np.asarray(runs[variant]()) for variant in VARIANTS[2:]]
    difference = np.abs(outputs[0] - outputs[1]).max() / np.abs(outputs[0]).max()
    seconds = {variant: median(taken) for variant, taken in alternate(runs, rounds).items()}
    ratios = [f"{seconds[variant] / seconds['static']:.2f}" for variant in VARIANTS[1:]]
    cells = (name, batch, f"{1000 * seconds['static']:.1f}", *ratios, f"{difference:.1g}")
    return f"| {' | '.join(map(str, cells))} |"


def network(spec: BackboneSpec) -> nn.Module:
    """A network with random weights and statistics of random images, in evaluation mode."""
    torch.manual_seed(_SEED)
    model = build_model(spec).train()
    with torch.inference_mode():
        model(torch.randn(2, 3, _SIZE, _SIZE))
    return model.eval()


def run(model: nn.Module, images: torch.Tensor) -> Run:
    def once() -> torch.Tensor:
        with torch.inference_mode():
            output: torch.Tensor = model(images)
        return output

    return once


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
