"""What is compared: golden files, layers, networks and trainings, each against the reference."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from odconv_spec import (
    BackboneSpec,
    ConvChoice,
    ConvSpec,
    MobileNetV2Spec,
    ODConvSpec,
    ResNetSpec,
    list_models,
    model_spec,
)
from parity_tests.golden.loader import GoldenLayer, load_odconv, odconv_files
from parity_tests.reference import Run, Training, evaluate, random_arrays, train

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Problem:
    """One computation for a runtime: put in the arrays, run, return what the reference returns.

    `labels` turns it into a training of one step for each batch of `x`.
    """

    spec: ConvSpec | BackboneSpec
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


@dataclass(frozen=True)
class GoldenCase(Case):
    """A case whose answer was computed by a published implementation."""

    def expected(self) -> Run:
        golden = load_odconv(self.name.rpartition("-")[0])
        if not self.problem.training:
            return Run(golden.output, golden.attentions, None, {}, {})
        after = golden.training
        if after is None:
            raise ValueError(f"{self.name} has no pass in training mode")
        return Run(after.output, {}, after.grad_input, after.grads, after.statistics)


# Powers of two: Paddle keeps these in float32, where 0.05 would be wrong by 1e-8.
OPTIMISER: Mapping[str, float] = MappingProxyType(
    {"lr": 2.0**-4, "momentum": 0.875, "weight_decay": 2.0**-13}
)


def all_cases() -> Iterator[Case]:
    """Every case. The larger networks hold hundreds of megabytes once their problem is made."""
    yield from golden_cases()
    yield from layer_cases()
    yield from step_cases()
    yield from backbone_cases()


def golden_cases() -> Iterator[Case]:
    for name in odconv_files():
        golden = load_odconv(name)
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


def _od(in_channels: int, out_channels: int, kernel_size: Any, **options: Any) -> ODConvSpec:
    return ODConvSpec(
        in_channels=in_channels, out_channels=out_channels, kernel_size=kernel_size, **options
    )


# Unequal and equal widths, non-square kernels and maps, every option, temperatures of an annealing.
_LAYERS: tuple[tuple[ODConvSpec, tuple[int, int, int], float], ...] = (
    # spec, (batch, height, width), temperature
    (_od(5, 7, 3, padding=1), (3, 6, 9), 1.0),
    (_od(6, 6, (3, 5), padding=(1, 2)), (2, 7, 9), 3.0),
    (
        _od(
            8,
            12,
            3,
            groups=4,
            stride=(1, 2),
            dilation=(2, 1),
            padding=((1, 2), (0, 3)),
            kernel_num=3,
        ),
        (2, 9, 8),
        30.0,
    ),
    (_od(6, 6, 3, groups=6, padding=1, stride=2, bias=True), (3, 8, 7), 4.5),
    (_od(4, 4, 1, kernel_num=2), (2, 5, 4), 1.0),
    (_od(4, 9, 1, kernel_num=1), (2, 5, 4), 2.0),
    (_od(6, 6, 1, kernel_num=1, groups=6), (2, 5, 4), 2.0),
    (_od(1, 1, 3, padding=1), (2, 4, 5), 1.0),
    (_od(32, 8, 3, reduction=0.25, min_channels=4, bias=True, padding="same"), (2, 5, 6), 1.0),
    (_od(5, 7, 3, padding=1), (1, 6, 9), 1.0),  # one sample: the running statistics in training
    (_od(3, 4, 3, padding=1), (1, 1, 1), 1.0),
)


def layer_cases() -> Iterator[Case]:
    for number, row in enumerate(_LAYERS):
        for dtype in ("float64", "float32"):
            for training in (False, True):
                name = f"{number:02d}-{'train' if training else 'eval'}"
                yield Case("layer", name, dtype, partial(_layer, number, *row, dtype, training))


def _layer(
    seed: int,
    spec: ODConvSpec,
    shape: tuple[int, int, int],
    temperature: float,
    dtype: str,
    training: bool,
) -> Problem:
    generator = np.random.default_rng(seed)
    arrays = random_arrays(spec.parameters(), seed, dtype)
    batch, *size = shape
    x = generator.standard_normal((batch, spec.in_channels, *size)).astype(dtype)
    grad_output = generator.standard_normal(evaluate(spec, arrays, x).output.shape).astype(dtype)
    return Problem(spec, arrays, x, training, temperature, grad_output, dtype=dtype)


def step_cases() -> Iterator[Case]:
    """Five optimiser steps on networks of a few layers."""
    od = ConvChoice.of("od", kernel_num=2)
    few: dict[str, Any] = {"stages": ((8, 1), (12, 1)), "stem_channels": 8, "num_classes": 5}
    networks = {
        "resnet-basic": ResNetSpec(**few),
        "od-resnet-basic": ResNetSpec(conv=od, **few),
        "od-resnet-bottleneck": ResNetSpec(conv=od, block="bottleneck", **few),
        "mobilenetv2": MobileNetV2Spec(width=0.5, stages=((1, 16, 1, 1),), num_classes=5),
        "od-mobilenetv2": MobileNetV2Spec(
            conv=od, width=0.5, stages=((1, 16, 1, 1), (3, 24, 2, 2)), num_classes=5
        ),
    }
    for seed, (name, spec) in enumerate(networks.items()):
        yield Case("steps", name, "float64", partial(_steps, seed, spec))


def _steps(seed: int, spec: BackboneSpec) -> Problem:
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((5, 4, 3, 32, 40))  # (steps, batch, channels, height, width)
    labels = generator.integers(0, 5, (5, 4))
    arrays = random_arrays(spec.parameters(), seed)
    return Problem(spec, arrays, x, training=True, temperature=3.0, labels=labels)


def backbone_cases() -> Iterator[Case]:
    """All published networks forward, the smaller dynamic ones with two kernels."""
    for seed, name in enumerate(list_models()):
        yield Case("backbone", name, "float64", partial(_backbone, seed, name, "float64"))
        if name in ("od_resnet18", "od_mobilenetv2_100"):
            yield Case("backbone", name, "float32", partial(_backbone, seed, name, "float32"))


def _backbone(seed: int, name: str, dtype: str) -> Problem:
    small = name.startswith("od_") and name not in ("od_resnet34", "od_resnet50", "od_resnet101")
    spec = model_spec(name, num_classes=10, **({"kernel_num": 2} if small else {}))
    x = np.random.default_rng(seed).standard_normal((2, 3, 48, 40)).astype(dtype)
    return Problem(spec, random_arrays(spec.parameters(), seed, dtype), x, dtype=dtype)
