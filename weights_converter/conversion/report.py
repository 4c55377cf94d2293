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
    """An array that one of the files has and the other has not, and why."""

    name: str
    reason: str


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
        """Number of arrays that were carried over."""
        return len(self.carried)

    @property
    def nbytes(self) -> int:
        """Their size together, in the destination."""
        return sum(array.nbytes for array in self.carried)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; names stay, and new ones may come, while "schema" is the same."""
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
            "model": describe(self.spec),
            "spec": self.spec.to_dict(),
            "temperature": self.temperature,
            "dtype": told["dtype"],
            "nbytes": self.nbytes,
            "arrays": [array.to_dict() for array in self.carried],
            "dropped": [asdict(remark) for remark in self.dropped],
            "defaulted": [asdict(remark) for remark in self.defaulted],
            "notes": list(self.notes),
            "proof": self.proof and {"equal": self.proof.equal, "arrays": self.proof.arrays},
        }

    def __str__(self) -> str:
        head = f"{legible(self.source.name)} -> {legible(self.destination.name)} ({self.format})"
        lines = [
            head,
            f"  model   {describe(self.spec)}",
            f"  arrays  {self.arrays}, {size_text(self.nbytes)}, {self.verdict}",
            *(f"  dtype   {line}" for line in self.cast_lines()),
            *(f"  value   {a.finding.name} has {a.finding.values}" for a in self.nonfinite()),
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
        """How sure it is that the destination is right, in a few words."""
        if not self.files:
            return "nothing was written (dry run)"
        return "all bits equal when read back" if self.proof else "not read back"

    def nonfinite(self) -> list[Carried]:
        return [a for a in self.carried if a.finding.values.nan or a.finding.values.inf]

    def cast_lines(self) -> Iterator[str]:
        """What was cast, and what that lost; nothing where every dtype was kept."""
        if self.provenance.dtype == KEEP:
            return
        cast = [a.finding for a in self.carried if a.finding.before != a.finding.after]
        yield f"{len(cast)} of {self.arrays} arrays cast to {self.provenance.dtype}"
        losses = [finding.loss for finding in cast]
        for count, deed in (
            (sum(loss.overflowed for loss in losses), "became infinite"),
            (sum(loss.flushed for loss in losses), "became zero"),
        ):
            if count:
                yield f"{count} {'value' if count == 1 else 'values'} {deed}"
        worst = max(cast, key=lambda finding: finding.loss.relative_error, default=None)
        if worst is not None and worst.loss.relative_error:
            yield f"largest relative error {worst.loss.relative_error:.3g} ({worst.name})"
