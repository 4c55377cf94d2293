"""One computation for a runtime, and the answer of the reference to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from odconv_spec import BackboneSpec, ConvSpec, LinearSpec, RecalibrationSpec
from parity_tests.reference import Run, Training, evaluate, train
from parity_tests.reference.kernel_warehouse import KWChainSpec

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Problem:
    """One computation for a runtime: put in the arrays, run, return what the reference returns.

    `labels` turns it into a training of one step for each batch of `x`.
    """

    spec: ConvSpec | LinearSpec | RecalibrationSpec | KWChainSpec | BackboneSpec
    arrays: Arrays
    x: npt.NDArray[Any]
    training: bool = False
    temperature: float = 1.0
    grad_output: npt.NDArray[Any] | None = None
    labels: npt.NDArray[np.int64] | None = None
    dtype: str = "float64"

    def batches(self) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[np.int64]]]:
        """The batches of a training. Raises ValueError if the problem is none."""
        if self.labels is None:
            raise ValueError("expected a problem with labels, received one without")
        yield from zip(self.x, self.labels, strict=True)


@dataclass(frozen=True)
class Case:
    """A named problem, made when it is asked for, as `expected` computes its answer."""

    group: str
    name: str
    dtype: str
    make: Callable[[], Problem]

    @property
    def id(self) -> str:
        return f"{self.group}/{self.name}/{self.dtype}"

    @cached_property
    def problem(self) -> Problem:
        return self.make()

    def expected(self) -> Run | Training:
        problem = self.problem
        if problem.labels is not None:
            return train(
                problem.spec,  # type: ignore[arg-type]  # trainings are of backbones
                problem.arrays,
                problem.batches(),
                temperature=problem.temperature,
                **OPTIMISER,
            )
        run = evaluate(
            problem.spec,
            problem.arrays,
            problem.x,
            training=problem.training,
            temperature=problem.temperature,
            grad_output=problem.grad_output,
        )
        # Runtimes show their attentions in a pass of its own, which training would count twice.
        return replace(run, attentions={}) if problem.training else run


# Powers of two: Paddle keeps these in float32, where 0.05 would be wrong by 1e-8.
OPTIMISER: Mapping[str, float] = MappingProxyType(
    {"lr": 2.0**-4, "momentum": 0.875, "weight_decay": 2.0**-13}
)
