"""A checkpoint for a backbone, or the body of one, whose heads may differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from odconv_spec import BackboneSpec, Parameter, Role
from weights_converter.arrays.tensor import Checkpoint
from weights_converter.errors import MismatchError, UsageError, legible
from weights_converter.identify.backbones import family_of
from weights_converter.identify.contradictions import Claim, contradiction
from weights_converter.identify.inside import found_inside
from weights_converter.identify.manifest import Manifest
from weights_converter.identify.model_arrays import Weights, canonical_shapes, stored_shape_of
from weights_converter.identify.open_model import weights_of
from weights_converter.names.companions import companions
from weights_converter.names.dialects import translated
from weights_converter.names.grammar import canonical_parameters
from weights_converter.names.layouts import LAYOUTS
from weights_converter.names.mismatch import Form, check

HEADS: Final = ("strict", "skip")
_CLAIM: Final = Claim(
    "the model is", "create the model that the file holds; head='skip' lets the head alone differ"
)


def check_head(head: str) -> None:
    """Raises UsageError for a word that is none of `HEADS`."""
    if head not in HEADS:
        raise UsageError(f"head: expected 'strict' or 'skip', received {legible(repr(head))}")


def spec_of(model: Any) -> BackboneSpec | None:
    """The spec of one of our backbones, or of the backbone of a body; None of anything else."""
    spec = getattr(model, "spec", None)
    return spec if isinstance(spec, BackboneSpec) else None


def weights_without_head(checkpoint: Checkpoint, target: Manifest, spec: BackboneSpec) -> Weights:
    """The arrays of a model but for its head. Loads none.

    The checkpoint may be of a classifier with any number of classes, of a network without a head,
    or of a larger network around one, such as a detector. What lies behind the last map of a body
    is left out as the head is; `left_out` of the source names everything.

    Args:
        checkpoint: with the names in the file.
        target: every array of the model.
        spec: of its backbone.

    Raises:
        MismatchError: the arrays are not those of the model, whatever their heads.
    """
    layout = LAYOUTS[checkpoint.layout]
    body = tuple(p for p in target.arrays if not _in_head(p, spec))
    inside = found_inside(checkpoint, [layout.stored_name(p) for p in body])
    found = translated(inside, [p.name for p in body])
    bare = found.without(dict(_head(found, spec)))
    try:
        rest = bare.without(_behind(bare, spec, body))
        return weights_of(rest, replace(target, arrays=body))
    except MismatchError as error:
        explained = _another_network(bare, spec)
        if explained is None:
            raise
        raise explained from error


def _another_network(checkpoint: Checkpoint, spec: BackboneSpec) -> MismatchError | None:
    """What a file without its head holds instead of the network, None where nothing says."""
    file, shapes = legible(checkpoint.path.name), canonical_shapes(checkpoint)
    family = family_of(shapes)
    if family is not None and family.family != spec.family:
        fact = f"{file} is of a {family.title}; {_CLAIM.says} {spec.name}, a {spec.title}"
        return MismatchError(fact, help=_CLAIM.help)
    return contradiction(replace(spec, num_classes=0), shapes, file, _CLAIM)


def _in_head(parameter: Parameter, spec: BackboneSpec) -> bool:
    return parameter.name.startswith(f"{spec.head_path}.")


def _head(checkpoint: Checkpoint, spec: BackboneSpec) -> Iterator[tuple[str, str]]:
    """The arrays of the file's head, each with the reason to leave it out."""
    shapes = {name: tensor.shape for name, tensor in checkpoint.tensors.items()}
    found = canonical_parameters(shapes, LAYOUTS[checkpoint.layout])
    head = {name: p for name, p in found.items() if _in_head(p, spec)}
    biases = {p.name for p in replace(spec, num_classes=1).head_parameters() if p.role is Role.BIAS}
    widths = [p.shape[0] for p in head.values() if p.name in biases]
    of = f" of {widths[0]} classes" if widths else ""
    return ((name, f"the head of the file{of}, left out by head='skip'") for name in head)


def _behind(
    checkpoint: Checkpoint, spec: BackboneSpec, body: tuple[Parameter, ...]
) -> dict[str, str]:
    """The arrays of the backbone that lead to no map of the body. Checks that they are its own."""
    layout, tensors = LAYOUTS[checkpoint.layout], checkpoint.tensors
    kept = {p.name for p in body}
    behind = [p for p in replace(spec, num_classes=0).parameters() if p.name not in kept]
    forms = {layout.stored_name(p): stored_shape_of(p, layout, tensors) for p in behind}
    forms |= {c.name: c.default.shape for c in companions(layout, behind)}
    found = {name: Form(tensors[name].shape) for name in forms if name in tensors}
    expected = {name: Form(forms[name]) for name in found}
    check(expected, found, f"{legible(checkpoint.path.name)} behind the last map of the body")
    return dict.fromkeys(found, "behind the last map of the body")
