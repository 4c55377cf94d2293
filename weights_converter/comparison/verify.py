"""Bit for bit comparison of two checkpoints of any format."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from weights_converter.arrays.digests import digests_of
from weights_converter.arrays.distance import distance
from weights_converter.arrays.tensor import Tensor
from weights_converter.comparison.changes import ROWS
from weights_converter.comparison.pairs import open_pair
from weights_converter.conversion.provenance import Provenance
from weights_converter.errors import MismatchError, UsageError, legible
from weights_converter.formats.files.open_files import kept_open
from weights_converter.formats.paddle.sidecar import sidecar
from weights_converter.identify.backbones import describe
from weights_converter.identify.model_arrays import Weights
from weights_converter.identify.open_model import open_model
from weights_converter.identify.request import Request


@dataclass(frozen=True)
class Difference:
    """One array that is not the same in two files."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"  {legible(self.name)}  {self.reason}"


@dataclass(frozen=True)
class Comparison:
    """The result of comparing all arrays of two checkpoints of one model.

    `right` is None where a file was compared with the digests that it keeps of its arrays.

    Example:
        >>> source = Request("odconv_demo/digits.pth.tar", "odconv_demo/digits.json")
        >>> convert(source, "compared.npz").proof.demand_equal().arrays
        151
    """

    left: Path
    right: Path | None
    model: str
    arrays: int
    differences: tuple[Difference, ...]

    @property
    def equal(self) -> bool:
        """Whether all arrays have equal bits.

        Returns:
            False where one differs or is missing.
        """
        return not self.differences

    def demand_equal(self) -> Comparison:
        """The comparison itself, where all arrays are equal.

        Returns:
            This comparison.

        Raises:
            MismatchError: an array differs.
        """
        if self.differences:
            raise MismatchError(str(self))
        return self

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON.

        Returns:
            What `odconv verify --json` prints.
        """
        return {
            "left": self.left.name,
            "right": self.right and self.right.name,
            "model": self.model,
            "arrays": self.arrays,
            "equal": self.equal,
            "differences": [{"name": d.name, "reason": d.reason} for d in self.differences],
        }

    def __str__(self) -> str:
        return self.text()

    def text(self, rows: int | None = ROWS) -> str:
        """The count of equal arrays, and those that differ.

        Args:
            rows: how many of these are shown; None shows all.

        Returns:
            A line, and one for each array that differs.
        """
        equal = f"{self.arrays - len(self.differences)} of {self.arrays} arrays of {self.model}"
        left = legible(self.left.name)
        if self.right is None:
            head = f"{left}: {equal} are as the converter wrote them"
        else:
            head = f"{left} and {legible(self.right.name)}: {equal} have equal bits"
        lines = [head, *map(str, self.differences[:rows])]
        more = len(self.differences) - len(self.differences[:rows])
        return "\n".join([*lines, f"  ... and {more} more; --all shows them"] if more else lines)


def verify(left: str | Path | Request, right: str | Path | Request) -> Comparison:
    """Compares two checkpoints of one model, whatever their formats, bit for bit.

    Args:
        left: a checkpoint.
        right: another. A model that is asked for is that of both files, whichever request has it.

    Returns:
        Whether all bits are equal, and which arrays are not; printed, a table.

    Raises:
        ConverterError: a file cannot be read or is not of the model. Differences between values do
            not raise; see `Comparison.equal`.

    Example:
        >>> source = Request("examples/odconv4x_mobilenetv2_digits.pth.tar", "examples/digits.json")
        >>> verify(source, source).equal
        True
    """
    return compare(*open_pair(Request.of(left), Request.of(right)))


def verify_digests(source: str | Path | Request) -> Comparison:
    """Compares a file that `convert` wrote with the digests that it put into it.

    Raises:
        UsageError: there are no digests in the file.
        ConverterError: it cannot be read or is not of the model.
    """
    weights = open_model(source)
    path = weights.source.path
    told = Provenance.told_by(weights.source)
    if told is None or not told.sha256:
        beside = legible(sidecar(path).name)
        lost = weights.source.format == "pdparams" and not weights.source.metadata
        raise UsageError(
            f"{legible(path.name)} has no digests of its arrays"
            + (f": {beside} is not beside it" if lost else ""),
            help="give a second file to compare it with",
        )
    found = digests_of(weights.tensors.values())
    wrong = [name for name, digest in found.items() if told.sha256.get(name) != digest]
    reason = "is not what the converter wrote"
    return Comparison(
        path,
        None,
        describe(weights.spec),
        len(found),
        tuple(Difference(name, reason) for name in wrong),
    )


def compare(left: Weights, right: Weights) -> Comparison:
    """Loads every array of both, two at a time."""
    with kept_open():
        found = [difference(tensor, right.tensors[name]) for name, tensor in left.tensors.items()]
    return Comparison(
        left.source.path,
        right.source.path,
        describe(left.spec),
        len(left.tensors),
        tuple(difference for difference in found if difference is not None),
    )


def difference(left: Tensor, right: Tensor) -> Difference | None:
    """How two arrays of one shape differ, None where their bits are equal."""
    if left.dtype != right.dtype:
        return Difference(left.name, f"{left.dtype} against {right.dtype}")
    found = distance(left.load(), left.dtype, right.load(), right.dtype)
    return Difference(left.name, str(found)) if found.unequal else None
