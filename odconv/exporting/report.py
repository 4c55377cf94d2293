"""What an export has written, as values and as text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from odconv.exporting.job import Job
from odconv.exporting.proof import Proof
from odconv.exporting.targets import Target
from weights_converter.arrays.sizes import size_text
from weights_converter.errors import legible


@dataclass(frozen=True)
class ExportReport:
    """What an export has written.

    Attributes:
        path: of the file; what belongs beside it has the same name and another ending.
        model: what the network is.
        target: the format, and why it has its form.
        job: what was asked for.
        proof: that the file computes the same.
        nbytes: of all that was written.
        seconds: that it took.
    """

    path: Path
    model: str
    target: Target
    job: Job
    proof: Proof
    nbytes: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "file": self.path.name,
            "model": self.model,
            "format": self.target.name,
            "form": self.job.form,
            "batch": self.job.batch,
            "size": list(self.job.size),
            "dynamic_size": self.job.dynamic_size,
            "runtime": self.proof.runtime,
            "tolerance": self.proof.tolerance,
            "difference": self.proof.difference,
            "agreement": self.proof.agreement,
            "trials": [vars(trial) for trial in self.proof.trials],
            "bytes": self.nbytes,
            "seconds": self.seconds,
            "metadata": dict(self.job.metadata),
        }

    def __str__(self) -> str:
        job = self.job
        batch = "any batch" if job.batch is None else f"batches of {job.batch}"
        size = "any size" if job.dynamic_size else "{}x{}".format(*job.size)
        default, reason = self.target.default_form(job.int8 is not None, job.batch)
        lines = [
            f"{legible(self.path.name)}: {self.model}, {size_text(self.nbytes)}",
            f"  input   {batch} of images {job.channels}x{size}",
            f"  form    {job.form}: {reason if job.form == default else 'as asked for'}",
            f"  proof   {self.proof}",
        ]
        if job.half or job.int8:
            agreeing = f"{100 * self.proof.agreement:.1f} %"
            images = "random images" if job.int8 is None else "images of the calibration"
            lines.append(f"  classes {agreeing} of the {images} as in float32")
        return "\n".join(lines)
