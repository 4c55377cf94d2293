"""Two files of one model."""

from __future__ import annotations

from weights_converter.arrays.tensor import Checkpoint
from weights_converter.errors import UsageError
from weights_converter.identify.model_arrays import Target, Weights, weights_of
from weights_converter.identify.open_model import open_checkpoints
from weights_converter.identify.request import Request
from weights_converter.identify.target import target_of


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
    target = _common_target(left, right, files)
    return weights_of(files[0], target), weights_of(files[1], target)


def _common_target(left: Request, right: Request, files: tuple[Checkpoint, ...]) -> Target:
    """The model of both files, of which one may know more about itself than the other."""
    asked = [request for request in (left, right) if request.names_model]
    if len({(str(request.model), str(request.stages)) for request in asked}) > 1:
        raise UsageError("two models are asked for: only files of one model can be compared")
    if asked:
        return target_of(files[0] if asked[0] is left else files[1], asked[0])
    named = [file for file in files if "odconv.spec" in file.metadata]
    return target_of((*named, files[0])[0], left)
