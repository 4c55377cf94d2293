"""The variants of a case, ready to run in one framework, and whether they compute the same."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import numpy as np

from benchmarks.arrays import SEED, steady_arrays
from benchmarks.cases import (
    COMPILED,
    ELSEWHERE,
    IN_CHANNELS_LAST,
    INFERENCE,
    LAYERS,
    NETWORKS,
    OFFICIAL,
    OFFICIAL_STATIC,
    OURS,
    OURS_LAST,
    PUBLISHED,
    STATIC,
    STATIC_LAST,
    TRAINING,
    Case,
    Layer,
)
from benchmarks.conditions import AUTO, Conditions
from benchmarks.frameworks.base import Array, Framework, Run
from odconv_spec import BackboneSpec, ConvSpec

_USUAL = Conditions()
# Of the largest value, in float32. A batch norm of few samples divides by small deviations, so that
# the rounding of many layers shows in training, see `benchmarks.arrays`.
TOLERANCES: Mapping[tuple[str, str], float] = MappingProxyType(
    {
        (LAYERS, INFERENCE): 1e-4,
        (LAYERS, TRAINING): 1e-3,
        (NETWORKS, INFERENCE): 1e-3,
        (NETWORKS, TRAINING): 1e-2,
    }
)
# Of the largest value, in the 8 to 11 bits of bfloat16, TF32 and float16. It finds another formula,
# not a fault of rounding: those are for parity_tests.
COARSE = 0.3
# Variant -> those that compute the same.
EQUALS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        OURS: (PUBLISHED, COMPILED, OFFICIAL, OURS_LAST),
        STATIC: (OFFICIAL_STATIC, STATIC_LAST),
    }
)


def contestant(
    framework: Framework, case: Case, variant: str, conditions: Conditions = _USUAL
) -> Run:
    """A run of one variant. All dynamic variants of a case have the same arrays and input."""
    spec = case.spec(variant)
    if variant in IN_CHANNELS_LAST:
        framework = framework.in_channels_last()
    model = _model(framework, spec, variant, conditions)
    generator = np.random.default_rng(SEED)
    x = generator.standard_normal(case.input_shape, dtype=np.float32)
    if case.mode == INFERENCE:
        return framework.inference(model, x)
    if isinstance(spec, BackboneSpec):
        labels = generator.integers(0, spec.num_classes, case.batch)
        return framework.step(model, x, labels)
    size = spec.output_size(case.input_shape[2:])
    shape = (case.batch, spec.out_channels, *size)
    return framework.backward(model, x, generator.standard_normal(shape, dtype=np.float32))


def _model(
    framework: Framework, spec: ConvSpec | BackboneSpec, variant: str, conditions: Conditions
) -> Any:
    if variant in ELSEWHERE:
        return framework.official(spec, _arrays(spec), conditions.official)
    model = framework.build(spec, _arrays(spec))
    if variant == PUBLISHED:
        framework.publish(model)
    if variant in (OURS, OURS_LAST) and conditions.strategy != AUTO:
        framework.set_strategy(model, conditions.strategy)
    return framework.compiled(model) if variant == COMPILED else model


def difference(
    framework: Framework,
    case: Case,
    outputs: Mapping[str, Sequence[Any]],
    conditions: Conditions = _USUAL,
) -> float | None:
    """Largest difference of two variants that compute the same, over the largest value.

    Args:
        framework: that of the outputs.
        case: what was run.
        outputs: what the first run of each variant gave. The output and, of a layer in training,
            the gradient of its input are compared.
        conditions: what it was run in.

    Returns:
        None if no two compute the same.

    Raises:
        ValueError: the difference is more than rounding explains.
    """
    found = {name: [framework.numpy(y) for y in ys[:2]] for name, ys in outputs.items()}
    group = LAYERS if isinstance(case.subject, Layer) else NETWORKS
    most = TOLERANCES[group, case.mode] if conditions.is_exact else COARSE
    worst = None
    for one, other in _pairs(outputs):
        off = float(np.max([*map(_relative, found[one], found[other])]))  # a nan stays one
        if not off <= most:
            raise ValueError(
                f"{case.id}: expected {one} to compute what {other} does, received outputs that "
                f"differ by {off:.1e} of the largest value"
            )
        worst = off if worst is None else max(worst, off)
    return worst


def _pairs(variants: Collection[str]) -> Iterator[tuple[str, str]]:
    """The pairs of the variants that compute the same."""
    for one, others in EQUALS.items():
        if one in variants:
            yield from ((one, other) for other in others if other in variants)


def _relative(a: Array, b: Array) -> float:
    return float(np.abs(a - b).max() / np.abs(b).max())


@lru_cache(maxsize=2)
def _arrays(spec: ConvSpec | BackboneSpec) -> dict[str, Array]:
    return steady_arrays(spec)
