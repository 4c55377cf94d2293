"""Backbones that end before their last map, as detectors and `features_only=True` have them."""

from __future__ import annotations

from odconv_spec.evidence import Shapes
from weights_converter.identify.backbones import Stages, family_of, infer_spec
from weights_converter.identify.manifest import Manifest


def infer_body(shapes: Shapes, stages: Stages | None = None) -> Manifest | None:
    """The arrays of a backbone up to the last map that detectors take, None where it has more.

    One that lacks its classifier only is the network of no classes, which a spec describes.

    Args:
        shapes: canonical name -> canonical shape.
        stages: a stage table, of a family whose files do not show it.

    Raises:
        MismatchError: the arrays contradict each other.
    """
    family = family_of(shapes)
    if family is None:
        return None
    head = f"{family.head_path.partition('.')[0]}."
    if _has(shapes, head):
        return None
    spec = infer_spec(shapes, stages)
    spare = (f"{path}." for path in spec.spare_layers())
    left_out = tuple(path for path in spare if not _has(shapes, path))
    if not left_out:
        return None
    arrays = tuple(p for p in spec.parameters() if not p.name.startswith(left_out))
    return Manifest(headless(spec.name), arrays, {})


def headless(name: str) -> str:
    """What a body is called."""
    return f"{name} without a head"


def _has(shapes: Shapes, prefix: str) -> bool:
    return any(name.startswith(prefix) for name in shapes)
