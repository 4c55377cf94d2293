"""Backbones without a classifier, as detectors and `features_only=True` have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from odconv_spec import BackboneSpec, MobileNetV2Spec, Parameter
from weights_converter.identify.backbones import Stages, infer_spec
from weights_converter.identify.manifest import Manifest

Shapes = Mapping[str, tuple[int, ...]]
# An array that every network of the family has -> where its classifier is.
_HEADS: Final[Mapping[str, str]] = {
    "layer1.0.conv1.weight": "fc.",
    "features.0.0.weight": "classifier.",
}


def infer_body(shapes: Shapes, stages: Stages | None = None) -> Manifest | None:
    """The arrays of a backbone up to its classifier, None where there is one.

    A MobileNetV2 may lack its last convolution, too, which leads to none of the maps that
    detectors take.

    Args:
        shapes: canonical name -> canonical shape.
        stages: a MobileNetV2's own stage table.

    Raises:
        MismatchError: the arrays contradict each other.
    """
    head = next((head for sign, head in _HEADS.items() if sign in shapes), None)
    if head is None or _has(shapes, head):
        return None
    weight = "fc.weight" if head == "fc." else "classifier.1.weight"
    spec = infer_spec({**shapes, weight: (1, 1)}, stages)  # of one class, which nothing shows
    return Manifest(headless(spec.name), _arrays(spec, shapes, head), {})


def headless(name: str) -> str:
    """What a body is called."""
    return f"{name} without a head"


def _arrays(spec: BackboneSpec, shapes: Shapes, head: str) -> tuple[Parameter, ...]:
    left_out = [head]
    if isinstance(spec, MobileNetV2Spec) and not _has(shapes, f"{spec.last.name}."):
        left_out.append(f"{spec.last.name}.")
    return tuple(p for p in spec.parameters() if not p.name.startswith(tuple(left_out)))


def _has(shapes: Shapes, prefix: str) -> bool:
    return any(name.startswith(prefix) for name in shapes)
