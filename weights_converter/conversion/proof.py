"""Reads back what was written, and compares it with what should have been."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from weights_converter import formats
from weights_converter.arrays.casting import cast
from weights_converter.arrays.digests import digests_of
from weights_converter.arrays.distance import distance
from weights_converter.arrays.tensor import Tensor
from weights_converter.comparison.verify import Comparison, Difference
from weights_converter.conversion.progress import Progress
from weights_converter.conversion.transfer import Transfer
from weights_converter.errors import legible
from weights_converter.identify.backbones import describe
from weights_converter.identify.model_arrays import canonical_tensors


def prove(
    transfer: Transfer,
    digests: Mapping[str, str],
    part: Path,
    name: Path,
    progress: Progress | None = None,
) -> Comparison:
    """Compares a complete file with the digests of the arrays that went into it.

    Args:
        transfer: what was to be written.
        digests: canonical name -> digest of the array after its cast.
        part: the file as it is on the disk.
        name: what it will be called.
        progress: is told of each array.

    Returns:
        The comparison, in which only arrays with other bits are loaded from the source again.

    Raises:
        MismatchError: an array has other bits.
    """
    parameters = transfer.weights.parameters
    what = f"what was written to {legible(name.name)}"
    # Its names are those that were written, so no other ones are looked for.
    written = canonical_tensors(formats.read(part), parameters, what, {})
    found = digests_of(_counted(written.values(), progress))
    differences = [
        _difference(transfer, written[parameter], found[parameter] == digest)
        for parameter, digest in digests.items()
        if (digest, transfer.tag_of(parameter)) != (found[parameter], written[parameter].dtype)
    ]
    source = transfer.weights.source.path
    compared = Comparison(source, name, describe(transfer.spec), len(digests), tuple(differences))
    return compared.demand_equal()


def _counted(tensors: Iterable[Tensor], progress: Progress | None) -> Iterator[Tensor]:
    for tensor in tensors:
        yield tensor
        if progress is not None:
            progress.update()


def _difference(transfer: Transfer, written: Tensor, same_bits: bool) -> Difference:
    tag = transfer.tag_of(written.name)
    if same_bits or tag != written.dtype:
        return Difference(written.name, f"{tag} against {written.dtype}")
    tensor = transfer.weights.tensors[written.name]
    expected = cast(tensor.load(), tensor.dtype, tag)
    found = distance(expected, tag, written.load(), tag)
    unsteady = "the source gave other values when it was read again"
    return Difference(written.name, str(found) if found.unequal else unsteady)
