"""Detectors of two stages: which one a file holds, and its arrays under torchvision's names.

A file of mmdetection or PaddleDetection is opened under its own names, and then expressed in those
of torchvision, with the rows of its classes in torchvision's order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from odconv_spec.detectors import CODES, Code, DetectorSpec, Heads, detector_from_arrays, heads_of
from odconv_spec.detectors.rows import Move, in_other_order
from odconv_spec.evidence import Shapes
from weights_converter.arrays.dtypes import Array
from weights_converter.arrays.tensor import Checkpoint, Tensor
from weights_converter.errors import MismatchError, legible
from weights_converter.identify.backbones import Stages, infer_spec
from weights_converter.identify.contradictions import Claim
from weights_converter.identify.explained import explained
from weights_converter.names.companions import companions
from weights_converter.names.counters import without_counters
from weights_converter.names.grammar import canonical_parameters
from weights_converter.names.layouts import LAYOUTS, Layout, owner_of
from weights_converter.names.wrappers import unwrapped_names

CANONICAL: Final = "torchvision"
LIVE: Final = Claim(
    "the model is",
    "build the detector that the file holds, `odconv inspect` says which; load_into(body, FILE, "
    "head='skip') takes its body alone",
)


def infer_detector(checkpoint: Checkpoint, stages: Stages | None = None) -> DetectorSpec | None:
    """The detector of two stages that a file holds, None where it holds none.

    Args:
        checkpoint: with the names in the file.
        stages: of the body, where no array shows them.

    Returns:
        The spec, with the code that the names of the file are of.

    Raises:
        MismatchError: the arrays contradict each other.
    """
    shapes, layout = _shapes(checkpoint), LAYOUTS[checkpoint.layout]
    with explained():
        heads = heads_of(shapes)
    if heads is None:
        return None
    body = infer_spec(_body_shapes(shapes, heads.code, layout), stages)
    with explained():
        return detector_from_arrays(shapes, heads, body)


def heads_in(checkpoint: Checkpoint) -> Heads | None:
    """What the heads of a file show, None where it holds no detector of two stages."""
    with explained():
        return heads_of(_shapes(checkpoint))


def _shapes(checkpoint: Checkpoint) -> dict[str, tuple[int, ...]]:
    """Name without what wrappers put into it -> shape; none of a file whose names say nothing."""
    if LAYOUTS[checkpoint.layout].numbered:
        return {}
    checkpoint = without_counters(checkpoint)
    names, _ = unwrapped_names(checkpoint, ())
    return {name: checkpoint.tensors[wild].shape for wild, name in names.items()}


def _body_shapes(shapes: Shapes, code: Code, layout: Layout) -> dict[str, tuple[int, ...]]:
    """Canonical name -> canonical shape of the arrays of the body."""
    prefix = f"{code.path('body')}."
    inside = {n.removeprefix(prefix): s for n, s in shapes.items() if n.startswith(prefix)}
    return {p.name: p.shape for p in canonical_parameters(inside, layout).values()}


def without_unseen(checkpoint: Checkpoint, spec: DetectorSpec) -> Checkpoint:
    """The checkpoint without what the pyramid does not see, such as the body's classifier.

    The published detectors store the classifier of the network that their body began as.

    Args:
        checkpoint: with the names of `spec`, in the axes of its layout.
        spec: of the detector.
    """
    layout, prefix = LAYOUTS[checkpoint.layout], CODES[spec.code].path("body")
    head = f"{prefix}.{spec.body.head_path}."
    seen = {p.name for p in spec.body_parameters()}
    behind = tuple(p for p in spec.body.parameters() if p.name not in seen)
    beside = {companion.name for companion in companions(layout, behind)}
    unseen = {f"{prefix}.{name}" for name in {layout.stored_name(p) for p in behind} | beside}
    names = [n for n in checkpoint.tensors if n.startswith(head) or n in unseen]
    if not names:
        return checkpoint
    reasons = dict.fromkeys(names, "of the body, and seen by no other layer of the detector")
    note = f"left out {len(names)} arrays of the body that the detector never uses: "
    return checkpoint.without(reasons, note + ", ".join(map(legible, names[:4])))


def expressed(
    tensors: Mapping[str, Tensor], spec: DetectorSpec, code: str
) -> tuple[DetectorSpec, dict[str, Tensor]]:
    """The arrays of a detector under the names and in the class order of another code.

    Args:
        tensors: canonical arrays under the names of `spec`.
        spec: of the detector.
        code: a name in `odconv_spec.detectors.CODES`.

    Returns:
        The spec with that code, and its arrays, which are still read only when asked for.
    """
    other = replace(spec, code=code)
    found = {}
    for before, after in zip(spec.pieces(), other.pieces(), strict=True):
        tensor = tensors[before.parameter.name].renamed(after.parameter.name)
        move = in_other_order(before.part, spec.code, code, spec.num_classes)
        found[tensor.name] = _moved(tensor, after.parameter.shape, move) if move else tensor
    return other, found


def renamed_companions(
    companions: Mapping[str, Tensor], spec: DetectorSpec, code: str
) -> dict[str, Tensor]:
    """What a framework stores beside the arrays, under the names of another code."""
    owners = {
        owner_of(before.parameter.name): owner_of(after.parameter.name)
        for before, after in zip(spec.pieces(), replace(spec, code=code).pieces(), strict=True)
    }
    found = {}
    for name, tensor in companions.items():
        owner, _, leaf = name.rpartition(".")
        found[f"{owners[owner]}.{leaf}"] = tensor.renamed(f"{owners[owner]}.{leaf}")
    return found


def _moved(tensor: Tensor, shape: tuple[int, ...], move: Move) -> Tensor:
    def load() -> Array:
        array = tensor.load()
        zeros = np.zeros((move.zeros, *array.shape[1:]), array.dtype)
        return np.concatenate([zeros, *(array[rows] for rows in move.slices)])

    return Tensor(tensor.name, tensor.dtype, shape, load)


def demand_same(found: Heads, wanted: tuple[str, int], file: str, claim: Claim) -> None:
    """Raises MismatchError where a file is of another task or number of classes.

    Args:
        found: in the file.
        wanted: the task and the number of classes.
        file: its name, for the message.
        claim: who wants that.
    """
    if (found.task, found.num_classes) != wanted:
        raise MismatchError(
            f"{legible(file)} holds {found}; {claim.says} {Heads(found.code, *wanted)}",
            help=claim.help,
        )
