"""Two files of one model."""

from __future__ import annotations

from dataclasses import replace

from weights_converter.arrays.tensor import Checkpoint
from weights_converter.errors import UsageError, legible
from weights_converter.identify.contradictions import Claim
from weights_converter.identify.manifest import VERSION_KEY, Manifest
from weights_converter.identify.model_arrays import Target, Weights
from weights_converter.identify.open_model import open_checkpoints, weights_of
from weights_converter.identify.request import Request
from weights_converter.identify.target import claim_of, target_of

_SELF_DESCRIBED = {"odconv.spec", VERSION_KEY}


def open_pair(left: Request, right: Request) -> tuple[Weights, Weights]:
    """The arrays of both, of the model that either request asks for, or that a file shows.

    Raises:
        UsageError: the requests ask for two models.
        MismatchError: a file is not of the model.
        ConverterError: a file cannot be read.
    """
    return pair_of(left, right, open_checkpoints(left, right))


def pair_of(
    left: Request, right: Request, files: tuple[Checkpoint, ...]
) -> tuple[Weights, Weights]:
    """The same for files that are open."""
    request, teller = _teller(left, right, files)
    target = _of_any_dtype(target_of(teller, request))
    own = claim_of(teller, request)
    other = Claim(f"{legible(teller.path.name)} is", "`odconv diff` compares two models, too")
    first, second = (
        weights_of(file, target, own if file is teller or request.names_model else other)
        for file in files
    )
    return first, second


def _teller(
    left: Request, right: Request, files: tuple[Checkpoint, ...]
) -> tuple[Request, Checkpoint]:
    """Who says which model both files are of: one may know more about itself than the other."""
    asked = [pair for pair in zip((left, right), files, strict=True) if pair[0].names_model]
    if len({(str(request.model), str(request.stages)) for request, _ in asked}) > 1:
        raise UsageError("two models are asked for: only files of one model can be compared")
    named = [(left, file) for file in files if _SELF_DESCRIBED & file.metadata.keys()]
    return (*asked, *named, (left, files[0]))[0]


def _of_any_dtype(target: Target) -> Target:
    """That arrays have other dtypes is a result of the comparison."""
    return replace(target, dtypes={}) if isinstance(target, Manifest) else target
