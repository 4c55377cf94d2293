"""The variants of a case, ready to run in one framework, and whether they compute the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import numpy as np

from benchmarks.cases import (
    COMPILED,
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
    if variant == COMPILED:
        model = framework.compiled(model)
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
    """Largest difference of ours and the others that compute the same, over the largest value.

    Args:
        framework: that of the outputs.
        case: what was run.
        outputs: what the first run of each variant gave. The output and, of a layer in training,
            the gradient of its input are compared.

    Returns:
        None if there is no other.

    Raises:
        ValueError: the difference is more than rounding explains.
    """
    others = [name for name in (PUBLISHED, COMPILED) if name in outputs]
    if not others:
        return None
    found = {name: [framework.numpy(y) for y in outputs[name][:2]] for name in (OURS, *others)}
    worst = max(
        _relative(ours, theirs)
        for name in others
        for ours, theirs in zip(found[OURS], found[name], strict=True)
    )
    group = LAYERS if isinstance(case.subject, Layer) else NETWORKS
    if not worst <= TOLERANCES[group, case.mode]:
        raise ValueError(
            f"{case.id}: expected ours to compute what {' and '.join(others)} does, received "
            f"outputs that differ by {worst:.1e} of the largest value"
        )
    return worst


def _relative(a: Array, b: Array) -> float:
    return float(np.abs(a - b).max() / np.abs(b).max())


@lru_cache(maxsize=2)
def _arrays(spec: ConvSpec | BackboneSpec) -> dict[str, Array]:
    return random_arrays(spec.parameters(), SEED, np.float32)
