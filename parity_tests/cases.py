"""What is compared: golden files, layers, networks, trainings and a sweep of random layers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from parity_tests.golden.loader import GoldenLayer, golden_files, load_golden
from parity_tests.layer_cases import layer_cases
from parity_tests.network_cases import backbone_cases, step_cases
from parity_tests.problems import Case, Problem
from parity_tests.reference import Run
from parity_tests.sweep import USUAL, Sweep, sweep_cases


def all_cases(sweep: Sweep = USUAL) -> Iterator[Case]:
    """Every case. The larger networks hold hundreds of megabytes once their problem is made."""
    yield from golden_cases()
    yield from layer_cases()
    yield from sweep_cases(sweep)
    yield from step_cases()
    yield from backbone_cases()


@dataclass(frozen=True)
class GoldenCase(Case):
    """A case whose answer was computed by a published implementation."""

    def expected(self) -> Run:
        golden = load_golden(self.name.rpartition("-")[0])
        if not self.problem.training:
            return Run(golden.output, golden.attentions, None, {}, {})
        after = golden.training
        if after is None:
            raise ValueError(f"{self.name} has no pass in training mode")
        return Run(after.output, {}, after.grad_input, after.grads, after.statistics)


def golden_cases() -> Iterator[Case]:
    for name in golden_files():
        golden = load_golden(name)
        yield GoldenCase("golden", f"{name}-eval", "float64", partial(_golden, golden, False))
        if golden.training is not None:
            yield GoldenCase("golden", f"{name}-train", "float64", partial(_golden, golden, True))


def _golden(golden: GoldenLayer, training: bool) -> Problem:
    return Problem(
        golden.spec,
        golden.arrays,
        golden.input,
        training,
        golden.temperature,
        golden.training.grad_output if training and golden.training else None,
    )
