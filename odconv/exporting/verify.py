"""Whether an exported file is of a checkpoint, by its digest and by what it computes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from odconv.exporting import metadata
from odconv.exporting.export import needed
from odconv.exporting.job import Job
from odconv.exporting.proof import Proof, probes, prove
from odconv.exporting.source import open_network
from odconv.exporting.targets import TARGETS, target_of
from odconv.runtimes import open_exported
from weights_converter.arrays.digests import digests_of
from weights_converter.errors import UsageError, legible
from weights_converter.formats.files.open_files import kept_open
from weights_converter.identify.backbones import describe
from weights_converter.identify.request import Request
from weights_converter.live.loading import load_checkpoint

# The others are checkpoints as well, and compared bit for bit.
_NO_CHECKPOINT: Final = tuple(
    suffix for t in TARGETS if t.name not in ("paddle", "saved_model") for suffix in t.suffixes
)


@dataclass(frozen=True)
class ExportedComparison:
    """A checkpoint and a file that was exported.

    Attributes:
        left: name of the checkpoint.
        right: name of the exported file.
        model: what the network is.
        same_arrays: whether the digest in the file is the checkpoint's; None where it has none.
        proof: what the file computes, beside the checkpoint in float32.
    """

    left: str
    right: str
    model: str
    same_arrays: bool | None
    proof: Proof

    @property
    def equal(self) -> bool:
        return self.same_arrays is not False and self.proof.equal

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "left": self.left,
            "right": self.right,
            "model": self.model,
            "equal": self.equal,
            "same_arrays": self.same_arrays,
            "runtime": self.proof.runtime,
            "tolerance": self.proof.tolerance,
            "difference": self.proof.difference,
            "agreement": self.proof.agreement,
        }

    def __str__(self) -> str:
        arrays = {
            True: "exported from these arrays, by its digest",
            False: "exported from other arrays, by its digest",
            None: "it has no digest of its arrays",
        }
        verdict = "equal" if self.proof.equal else f"more than {self.proof.tolerance:g}"
        return "\n".join(
            (
                f"{self.left} and {self.right}: {self.model}",
                f"  arrays   {arrays[self.same_arrays]}",
                f"  outputs  {self.proof}: {verdict}",
            )
        )


def is_exported(path: str | Path) -> bool:
    """Whether the name is that of an exported file, which is no checkpoint."""
    return str(path).lower().endswith(_NO_CHECKPOINT)


def verify_exported(
    checkpoint: str | Path | Request, exported: str | Path, *, tolerance: float | None = None
) -> ExportedComparison:
    """Compares a checkpoint with a file that `export` wrote, as `export` itself does.

    Args:
        checkpoint: a file of any format, or a request that says more of it.
        exported: the exported file.
        tolerance: largest relative difference; by default that of the export.

    Raises:
        UsageError: the file does not tell how it was exported.
        ConverterError: a file cannot be read, or the checkpoint is of no network of odconv.
        ModuleNotFoundError: the extra of the format is not installed.
    """
    path = Path(exported)
    target = target_of(path)
    needed(target)
    with kept_open():
        weights, spec = open_network(checkpoint)
        told, job = _told(path, target.runtime)
        job = job if tolerance is None else replace(job, tolerance=tolerance)
        found = metadata.digest_of(digests_of(weights.tensors.values()))
        _check_floats(path, job, told == found)
        networks = target.networks
        model = networks.build(spec)
        load_checkpoint(model, weights.source, cast=True)
    outputs = partial(networks.outputs, networks.wrapped(model, job))
    return ExportedComparison(
        legible(weights.source.path.name),
        legible(path.name),
        describe(spec),
        told == found if told else None,
        prove(path, outputs, job, target.runtime, probes(job)),
    )


def _check_floats(path: Path, job: Job, same: bool) -> None:
    """Raises UsageError for a file in integers, whose outputs equal no others."""
    if job.int8 is not None:
        made = "was" if same else "was not"
        raise UsageError(
            f"{legible(path.name)} computes in integers, which differ from any checkpoint; by its "
            f"digest it {made} made of this one",
            help="`odconv evaluate` says how well each recognises images",
        )


def _told(path: Path, runtime: str) -> tuple[str | None, Job]:
    """The digest in the file, and how it was exported."""
    network = open_exported(path, runtime)
    try:
        return network.metadata.get(metadata.DIGEST), metadata.job_in(network.metadata)
    finally:
        network.close()
