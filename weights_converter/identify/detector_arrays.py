"""The canonical arrays of a detector, from a file of any code."""

from __future__ import annotations

from dataclasses import replace

from odconv_spec.detectors import CODES, DetectorSpec, Heads
from weights_converter.arrays.tensor import Checkpoint
from weights_converter.errors import legible
from weights_converter.identify.backbones import describe
from weights_converter.identify.contradictions import Claim
from weights_converter.identify.detectors import (
    CANONICAL,
    LIVE,
    demand_same,
    expressed,
    heads_in,
    infer_detector,
    renamed_companions,
    without_unseen,
)
from weights_converter.identify.manifest import Manifest
from weights_converter.identify.model_arrays import Weights, known_weights
from weights_converter.names.dialects import translated
from weights_converter.names.mismatch import Form, check


def detector_weights(checkpoint: Checkpoint, target: DetectorSpec, claim: Claim) -> Weights:
    """The arrays of a detector from a file of any code."""
    heads = heads_in(checkpoint)
    if heads is not None:
        wanted = (target.task, target.num_classes)
        demand_same(heads, wanted, checkpoint.path.name, claim)
        target = replace(target, code=heads.code.name)
    if target.code != CANONICAL:
        note = f"its names and the order of its classes are those of {CODES[target.code].title}"
        checkpoint = replace(checkpoint, notes=(*checkpoint.notes, note))
    parameters = target.parameters()
    named = without_unseen(translated(checkpoint, [p.name for p in parameters]), target)
    return in_code(known_weights(named, target, parameters, claim), CANONICAL)


def live_detector_weights(checkpoint: Checkpoint, target: Manifest, own: Heads) -> Weights:
    """The arrays for a detector that somebody has built, from a file of any code."""
    heads = heads_in(checkpoint)
    if heads is not None:
        demand_same(heads, (own.task, own.num_classes), checkpoint.path.name, LIVE)
    same_names = heads is None or heads.code == own.code
    found = None if same_names else infer_detector(checkpoint)
    if found is None:
        parameters = target.parameters()
        named = translated(checkpoint, [p.name for p in parameters])
        return known_weights(named, target, parameters, LIVE)
    weights = in_code(detector_weights(checkpoint, found, LIVE), own.code.name)
    what = f"{legible(checkpoint.path.name)} for {describe(target)}"
    expected = {p.name: Form(p.shape, target.dtypes.get(p.name, "")) for p in target.parameters()}
    check(expected, {n: Form(t.shape, t.dtype) for n, t in weights.tensors.items()}, what)
    return replace(weights, spec=target, parameters=target.parameters())


def in_code(weights: Weights, code: str) -> Weights:
    """The arrays of a detector under the names and in the class order of a code.

    Args:
        weights: of a `DetectorSpec`; those of anything else stay as they are.
        code: a name in `odconv_spec.detectors.CODES`.
    """
    spec = weights.spec
    if not isinstance(spec, DetectorSpec) or spec.code == code:
        return weights
    other, tensors = expressed(weights.tensors, spec, code)
    beside = renamed_companions(weights.companions, spec, code)
    return replace(
        weights, spec=other, parameters=other.parameters(), tensors=tensors, companions=beside
    )
