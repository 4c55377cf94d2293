"""What a conversion did, as text and as plain values for JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from weights_converter.arrays.casting import KEEP
from weights_converter.arrays.sizes import size_text
from weights_converter.comparison.verify import Comparison
from weights_converter.conversion.provenance import Provenance
from weights_converter.conversion.survey import Finding
from weights_converter.errors import legible
from weights_converter.identify.backbones import describe
from weights_converter.identify.model_arrays import Target

SCHEMA = 1  # of `Report.to_dict`; grows when a name changes its meaning or goes


@dataclass(frozen=True)
class Carried:
    """An array that was carried over, `stored_name` and `stored_shape` being the destination's."""

    role: str
    stored_name: str
    stored_shape: tuple[int, ...]
    nbytes: int
    finding: Finding

    def to_dict(self) -> dict[str, Any]:
        found = self.finding
        cast = found.before != found.after
        return {
            "name": found.name,
            "role": self.role,
            "shape": list(found.shape),
            "stored_name": self.stored_name,
            "stored_shape": list(self.stored_shape),
            "source_dtype": found.before,
            "dtype": found.after,
            "nbytes": self.nbytes,
            **asdict(found.values),
            "loss": asdict(found.loss) if cast else None,
            "sha256": found.sha256,
        }


@dataclass(frozen=True)
class Remark:
    """An array that one of the files has and the other has not, and why.

    `routine` is one that no other framework stores, whose loss is no news.
    """

    name: str
    reason: str
    routine: bool = False

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name, "reason": self.reason}


@dataclass(frozen=True)
class Report:
    """What a conversion did, or would do.

    Attributes:
        source: the file that was read.
        destination: the file that was written.
        format: of the destination.
        files: what was written, in order; nothing where the run was dry.
        spec: the model, or the manifest of another network.
        temperature: recorded in the destination where its format has a place for it.
        provenance: what the destination, or its sidecar, tells of its source.
        carried: the arrays that were carried over, in the model's order.
        dropped: arrays of the source without a counterpart.
        defaulted: arrays of the destination that the source does not have.
        notes: what was unwrapped, dropped or given a default.
        proof: comparison of the destination, read back, with the source; None without one.

    Example:
        >>> checkpoint = Request("odconv_demo/digits.pth.tar", "odconv_demo/digits.json")
        >>> report = convert(checkpoint, "reported.weights.h5", dry_run=True)
        >>> report.arrays, report.nbytes, report.level, report.files
        (151, 2211556, 'fair', ())
        >>> print(report.verdict)
        nothing was written (dry run)
    """

    source: Path
    destination: Path
    format: str
    files: tuple[Path, ...]
    spec: Target
    temperature: float
    provenance: Provenance
    carried: tuple[Carried, ...]
    dropped: tuple[Remark, ...]
    defaulted: tuple[Remark, ...]
    notes: tuple[str, ...]
    proof: Comparison | None

    @property
    def arrays(self) -> int:
        """Number of arrays that were carried over.

        Returns:
            A number of arrays.
        """
        return len(self.carried)

    @property
    def nbytes(self) -> int:
        """Their size together, in the destination.

        Returns:
            A number of bytes.
        """
        return sum(array.nbytes for array in self.carried)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; names stay, and new ones may come, while "schema" is the same.

        Returns:
            What `odconv convert --json` prints.
        """
        told = asdict(self.provenance)
        return {
            "schema": SCHEMA,
            "tool": told["tool"],
            "created": told["created"],
            "source": {
                "name": told["source"],
                "format": told["source_format"],
                "sha256": told["source_sha256"],
            },
            "destination": {"name": self.destination.name, "format": self.format},
            "files": [file.name for file in self.files],
            "verdict": self.verdict,
            "warnings": list(self.warnings()),
            "model": describe(self.spec),
            "spec": self.spec.to_dict(),
            "temperature": self.temperature,
            "dtype": told["dtype"],
            "nbytes": self.nbytes,
            "arrays": [array.to_dict() for array in self.carried],
            "dropped": [remark.to_dict() for remark in self.dropped],
            "defaulted": [remark.to_dict() for remark in self.defaulted],
            "notes": list(self.notes),
            "proof": self.proof and {"equal": self.proof.equal, "arrays": self.proof.arrays},
        }

    def __str__(self) -> str:
        head = f"{legible(self.source.name)} -> {legible(self.destination.name)} ({self.format})"
        lines = [
            head,
            f"  result  {self.verdict}",
            f"  model   {describe(self.spec)}",
            f"  arrays  {self.arrays}, {size_text(self.nbytes)}",
            *(f"  dtype   {line}" for line in self.cast_lines()),
            *(
                f"  value   {legible(a.finding.name)} has {a.finding.values}"
                for a in self.nonfinite()
            ),
            *(f"  note    {note}" for note in self.notes),
            *(
                f"  beside  {legible(file.name)}, which has its model and digests"
                for file in self._sidecars()
            ),
        ]
        return "\n".join(lines)

    def _sidecars(self) -> tuple[Path, ...]:
        return self.files[1:] if self.format == "pdparams" else ()

    @property
    def verdict(self) -> str:
        """The headline, the worst news first: what was lost, and how sure the rest is.

        Returns:
            One line.
        """
        return "; ".join((*self.warnings(), self._assurance()))

    @property
    def level(self) -> str:
        """ "bad" where values are lost or not finite, "good" where nothing is lost, else "fair".

        Returns:
            One of the three.
        """
        if self._worst():
            return "bad"
        return "fair" if self.proof is None or any(self.warnings()) else "good"

    def warnings(self) -> Iterator[str]:
        """What a user should know before using the destination, the worst first.

        Returns:
            A line for each.
        """
        yield from self._worst()
        error = max((a.finding.loss.relative_error for a in self.carried), default=0)
        if error:
            dtype = self.provenance.dtype
            yield f"floats were rounded to {dtype}, by at most {error:.3g} of a value"
        left_out = sum(not remark.routine for remark in self.dropped)
        if left_out:
            yield f"{_several(left_out, 'array')} left out"

    def _worst(self) -> list[str]:
        losses = [array.finding.loss for array in self.carried]
        values = [array.finding.values for array in self.carried]
        counts = (
            (sum(loss.overflowed for loss in losses), "value", "became infinite"),
            (sum(found.nan for found in values), "NaN", "kept"),
            (sum(found.inf for found in values), "Inf", "kept"),
            (sum(loss.flushed for loss in losses), "value", "became zero"),
        )
        return [f"{_several(count, what)} {deed}" for count, what, deed in counts if count]

    def _assurance(self) -> str:
        if not self.files:
            return "nothing was written (dry run)"
        if self.proof is None:
            return "not read back"
        return (
            f"all {'bits' if self.provenance.dtype == KEEP else 'cast values'} equal when read back"
        )

    def nonfinite(self) -> list[Carried]:
        """The arrays that have NaN or an infinity.

        Returns:
            Those of `carried`, none where all numbers are finite.
        """
        return [a for a in self.carried if a.finding.values.nan or a.finding.values.inf]

    def cast_lines(self) -> Iterator[str]:
        """What was cast, and what that lost; nothing where every dtype was kept.

        Returns:
            Two lines or more, none without a cast.
        """
        if self.provenance.dtype == KEEP:
            return
        cast = [a.finding for a in self.carried if a.finding.before != a.finding.after]
        yield f"{len(cast)} of {self.arrays} arrays cast to {self.provenance.dtype}"
        for count, deed in (
            (sum(finding.loss.overflowed for finding in cast), "became infinite"),
            (sum(finding.loss.flushed for finding in cast), "became zero"),
        ):
            if count:
                yield f"{_several(count, 'value')} {deed}"
        worst = max(cast, key=lambda finding: finding.loss.relative_error, default=None)
        if worst is not None and worst.loss.relative_error:
            yield f"largest relative error {worst.loss.relative_error:.3g} ({legible(worst.name)})"


def _several(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 or what[0].isupper() else 's'}"
