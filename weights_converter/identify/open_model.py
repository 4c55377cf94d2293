"""Opens what a user asks for, in a process of its own if so wished."""

from __future__ import annotations

from pathlib import Path

from odconv_spec.detectors import DetectorSpec, heads_of
from weights_converter import formats
from weights_converter.arrays.tensor import Checkpoint
from weights_converter.errors import RefusedError, legible
from weights_converter.formats.table import EXPORTED
from weights_converter.identify.contradictions import ASKED, Claim
from weights_converter.identify.detector_arrays import detector_weights, live_detector_weights
from weights_converter.identify.manifest import Manifest
from weights_converter.identify.model_arrays import Target, Weights, known_weights
from weights_converter.identify.request import Request
from weights_converter.identify.selection import demand_used, selected
from weights_converter.identify.target import claim_of, target_of
from weights_converter.names.dialects import translated


def open_checkpoint(source: str | Path | Request) -> Checkpoint:
    """The arrays of a file that are asked for, under their names in the file.

    Raises:
        UsageError: a pattern or the prefix fits no array.
        RefusedError: it is an exported network, which has none.
        ConverterError: the file cannot be read.
    """
    return open_checkpoints(Request.of(source))[0]


def open_any(source: str | Path | Request) -> Checkpoint:
    """The same, but an exported network is a checkpoint with metadata alone."""
    request = Request.of(source)
    file = formats.read(request.path, request.key, isolate=request.isolate)
    return file if file.format in EXPORTED else _selected((request,), (file,))[0]


def open_checkpoints(*requests: Request) -> tuple[Checkpoint, ...]:
    """Several files; a pattern or a prefix has to fit only one of those that it is given for."""
    files = tuple(formats.read(r.path, r.key, isolate=r.isolate) for r in requests)
    for file in files:
        _refuse_exported(file)
    return _selected(requests, files)


def _selected(
    requests: tuple[Request, ...], files: tuple[Checkpoint, ...]
) -> tuple[Checkpoint, ...]:
    demand_used(requests, files)
    return tuple(map(selected, files, requests))


def _refuse_exported(file: Checkpoint) -> None:
    """Raises RefusedError where the arrays belong to a graph that has made others of them."""
    if file.format in EXPORTED:
        raise RefusedError(
            f"{legible(file.path.name)} is an exported network ({file.format}), not a checkpoint",
            help="take the checkpoint that it was exported from; `odconv inspect` tells which "
            "network it is",
        )


def open_model(source: str | Path | Request) -> Weights:
    """The arrays of the model that a file holds; see `open_checkpoint` and `target_of`.

    Raises:
        MismatchError: the arrays are not those of the model.
        ConverterError: see `weights_converter.errors`.
    """
    request = Request.of(source)
    checkpoint = open_checkpoint(request)
    return weights_of(checkpoint, target_of(checkpoint, request), claim_of(checkpoint, request))


def weights_of(checkpoint: Checkpoint, target: Target, claim: Claim = ASKED) -> Weights:
    """The arrays of a known model. Loads none.

    Those of a detector have torchvision's names and class order, whatever code the file is of.

    Args:
        checkpoint: with the names in the file.
        target: the spec of a backbone or a detector, or the manifest of another network.
        claim: who says that it is this model.

    Raises:
        MismatchError: the arrays are not those of the model.
    """
    if isinstance(target, DetectorSpec):
        return detector_weights(checkpoint, target, claim)
    parameters = target.parameters()
    own = heads_of({p.name: p.shape for p in parameters}) if isinstance(target, Manifest) else None
    if isinstance(target, Manifest) and own is not None:
        return live_detector_weights(checkpoint, target, own)
    named = translated(checkpoint, [p.name for p in parameters])
    return known_weights(named, target, parameters, claim)
