"""What changed between two checkpoints: array by array, in numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from weights_converter.arrays.distance import differs_by_rounding, distance
from weights_converter.arrays.tensor import Tensor
from weights_converter.comparison.changes import Change, Diff
from weights_converter.comparison.pairs import pair_of
from weights_converter.errors import ConverterError, MismatchError, RefusedError, UsageError
from weights_converter.formats.files.open_files import kept_open
from weights_converter.identify.backbones import describe
from weights_converter.identify.model_arrays import named_tensors
from weights_converter.identify.open_model import open_checkpoints
from weights_converter.identify.request import Request
from weights_converter.names.dialects import translated

_Arrays = Mapping[str, Tensor]


def diff(
    left: str | Path | Request, right: str | Path | Request, *, atol: float | None = None
) -> Diff:
    """Compares two checkpoints of any formats, two arrays in memory at a time.

    Arrays are compared by canonical name and in canonical axes, also where the files are of two
    models, as a network and one that was fine-tuned from it are; where no array has a canonical
    name, by the names in the files.

    Args:
        left: a checkpoint.
        right: another. A model that is asked for is that of both files, whichever request has it.
        atol: the largest absolute difference that is none; None asks for equal bits.

    Returns:
        The differences of every array; printed, a table.

    Raises:
        ConverterError: a file cannot be read. Differences do not raise; see `Diff.different`.

    Example:
        >>> source = Request("examples/odconv4x_mobilenetv2_digits.pth.tar", "examples/digits.json")
        >>> diff(source, source).different
        ()
    """
    if atol is not None and not 0 <= atol < math.inf:
        raise UsageError(f"expected a tolerance of 0 or more, received {atol}")
    first, second = Request.of(left), Request.of(right)
    by, in_first, in_second = _matched(first, second)
    with kept_open():
        changes = tuple(_changes(in_first, in_second))
    return Diff(Path(first.path), Path(second.path), by, atol, changes)


def _matched(left: Request, right: Request) -> tuple[str, _Arrays, _Arrays]:
    """What the names are by, and the arrays of both files."""
    files = open_checkpoints(left, right)
    try:
        first, second = pair_of(left, right, files)
        return describe(first.spec), first.tensors, second.tensors
    except (MismatchError, RefusedError):
        if left.names_model or right.names_model:
            raise
    try:
        (one, known), (other, also_known) = (named_tensors(translated(file)) for file in files)
    except ConverterError:  # such as quantised weights, which no model of ours has
        known = also_known = False
    if known and also_known:
        return "canonical names", one, other
    return "the names in the files", files[0].tensors, files[1].tensors


def _changes(left: _Arrays, right: _Arrays) -> Iterator[Change]:
    for name in [*left, *(name for name in right if name not in left)]:
        first, second = left.get(name), right.get(name)
        if first is None or second is None or first.shape != second.shape:
            yield Change(name, first, second, None)
            continue
        one, other = first.load(), second.load()
        found = distance(one, first.dtype, other, second.dtype)
        rounding = differs_by_rounding(one, first.dtype, other, second.dtype, found)
        yield Change(name, first, second, found, rounding)
