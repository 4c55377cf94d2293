"""The variants of a case, ready to run in one framework, and whether they compute the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import numpy as np

from benchmarks.cases import (
    INFERENCE,
    LAYERS,
    NETWORKS,
    OURS,
    PUBLISHED,
    TRAINING,
    Case,
    Layer,
)
from benchmarks.frameworks.base import Array, Framework, Run
from odconv_spec import BackboneSpec, ConvSpec
from parity_tests.reference import random_arrays

SEED = 5
AUTO = "auto"
# Of the largest value, in float32. A batch norm of few samples divides by small deviations, so that
# the rounding of many layers shows in training.
TOLERANCES: Mapping[tuple[str, str], float] = MappingProxyType(
    {
        (LAYERS, INFERENCE): 1e-4,
        (LAYERS, TRAINING): 1e-3,
        (NETWORKS, INFERENCE): 1e-3,
        (NETWORKS, TRAINING): 5e-2,
    }
)


def contestant(framework: Framework, case: Case, variant: str, strategy: str = AUTO) -> Run:
    """A run of one variant. All dynamic variants of a case have the same arrays and input."""
    spec = case.spec(variant)
    model = framework.build(spec, _arrays(spec))
    if variant == PUBLISHED:
        framework.publish(model)
    if variant == OURS and strategy != AUTO:
        framework.set_strategy(model, strategy)
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


def difference(
    framework: Framework, case: Case, outputs: Mapping[str, Sequence[Any]]
) -> float | None:
    """Largest difference of ours and the published one over the largest value.

    Args:
        framework: that of the outputs.
        case: what was run.
        outputs: what the first run of each variant gave. The output and, of a layer in training,
            the gradient of its input are compared.

    Returns:
        None if one of the two was not run.

    Raises:
        ValueError: the difference is more than rounding explains.
    """
    if not {PUBLISHED, OURS} <= outputs.keys():
        return None
    found = [[framework.numpy(y) for y in outputs[name][:2]] for name in (PUBLISHED, OURS)]
    worst = max(_relative(ours, theirs) for theirs, ours in zip(*found, strict=True))
    group = LAYERS if isinstance(case.subject, Layer) else NETWORKS
    if not worst <= TOLERANCES[group, case.mode]:
        raise ValueError(
            f"{case.id}: expected ours to compute what the published formulation does, received "
            f"outputs that differ by {worst:.1e} of the largest value"
        )
    return worst


def _relative(a: Array, b: Array) -> float:
    return float(np.abs(a - b).max() / np.abs(b).max())


@lru_cache(maxsize=2)
def _arrays(spec: ConvSpec | BackboneSpec) -> dict[str, Array]:
    return random_arrays(spec.parameters(), SEED, np.float32)
