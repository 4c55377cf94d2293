"""From a checkpoint of one framework to a checkpoint of another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from weights_converter.arrays.casting import KEEP, check_dtype, check_statistics
from weights_converter.arrays.digests import DRAFT, FileDigest
from weights_converter.arrays.dtypes import Array
from weights_converter.arrays.tensor import Tensor
from weights_converter.comparison.verify import Comparison, prove
from weights_converter.conversion.destinations import Destination
from weights_converter.conversion.provenance import Provenance, created, release
from weights_converter.conversion.report import Carried, Report
from weights_converter.conversion.survey import Survey
from weights_converter.conversion.transfer import Transfer
from weights_converter.formats.files.late_metadata import LateMetadata
from weights_converter.formats.files.open_files import kept_open
from weights_converter.identify.open_model import open_model
from weights_converter.identify.request import Request


class Progress(Protocol):
    """What shows how far a conversion is, such as a bar of tqdm."""

    def reset(self, total: float | None = None) -> object:
        """Starts to count up to `total` arrays."""

    def update(self) -> object:
        """One more array is looked at, written, or read back."""


def convert(
    source: str | Path | Request,
    destination: str | Path,
    *,
    dtype: str = KEEP,
    max_shard_bytes: int | None = None,
    overwrite: bool = False,
    proof: bool = True,
    dry_run: bool = False,
    allow_nonfinite: bool = False,
    allow_overflow: bool = False,
    allow_half_statistics: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Converts a checkpoint, reads the result back and compares every bit.

    The destination's format follows its extension: .pth, .pt, .pth.tar, .safetensors, .pdparams,
    .weights.h5 or .npz. Arrays pass through one at a time.

    Args:
        source: a checkpoint of any format; its content decides which.
        destination: the file to write.
        dtype: "keep", or "float32", "float16", "bfloat16" or "float64" for all floats.
        max_shard_bytes: writes .safetensors or .weights.h5 as several files, of which each holds
            arrays of so many bytes at most, and an index. A run that was killed is completed by
            the same call with `overwrite`.
        overwrite: replaces `destination` where it exists.
        proof: reads the result back, and keeps the digests of the arrays with it.
        dry_run: does all of it but the writing.
        allow_nonfinite: keeps NaN and infinities.
        allow_overflow: lets numbers that are too large for `dtype` become infinite.
        allow_half_statistics: lets `dtype` round the running statistics to half precision.
        progress: is told of each array.

    Raises:
        ConverterError: see `weights_converter.errors`; the destination is then as it was.
    """
    check_dtype(dtype)
    request = Request.of(source)
    written = Destination.of(destination, max_shard_bytes, overwrite)
    written.check(Path(request.path))
    with (
        FileDigest(Path(request.path)) as source_digest,
        Survey(dtype, digests=proof) as survey,
        kept_open(),
    ):
        weights = open_model(request)
        transfer = Transfer.of(weights, written.layout, survey)
        if not allow_half_statistics:
            check_statistics(weights.tensors, transfer.parameters, dtype)
        steps = _Steps(transfer, written, survey, dtype, progress)
        looks = dry_run or (proof and written.metadata_first)
        steps.announce(looks, writes=not dry_run, proves=proof and not dry_run)
        comparisons: list[Comparison] = []

        def metadata() -> dict[str, str]:
            if proof:
                steps.look()
                survey.demand(allow_nonfinite, allow_overflow)
            return transfer.metadata(steps.provenance(source_digest.result(), survey.digests()))

        def draft() -> dict[str, str]:
            digests = dict.fromkeys(transfer.carried if proof else (), DRAFT)
            return transfer.metadata(steps.provenance(source_digest.draft(), digests))

        def check(part: Path) -> None:
            survey.demand(allow_nonfinite, allow_overflow)
            if proof:
                comparisons.append(steps.proof(part).demand_equal())

        files: tuple[Path, ...] = ()
        if dry_run:
            steps.look()
            survey.demand(allow_nonfinite, allow_overflow)
        else:
            files = written.write(steps.stored(), LateMetadata(metadata, draft), check)
        provenance = steps.provenance(source_digest.result(), survey.digests())
        return steps.report(provenance, files, comparisons[0] if comparisons else None)


@dataclass(frozen=True)
class _Steps:
    """The steps of one conversion, each of which lets the arrays pass one at a time."""

    transfer: Transfer
    destination: Destination
    survey: Survey
    dtype: str
    progress: Progress | None

    def announce(self, looks: bool, writes: bool, proves: bool) -> None:
        """Tells how many arrays will pass."""
        if self.progress is not None:
            carried = len(self.transfer.carried)
            stored = carried + len(self.transfer.companions)
            self.progress.reset(carried * (looks + proves) + stored * writes)

    def look(self) -> None:
        """Loads the arrays that have not passed yet, so that the survey knows of each."""
        unknown = [t for t in self.transfer.carried.values() if not self.survey.knows(t.name)]
        for tensor in self._counted(unknown):
            tensor.load()

    def stored(self) -> list[Tensor]:
        return self._counted(self.transfer.stored())

    def proof(self, part: Path) -> Comparison:
        """Compares what was written with what was looked at."""
        written = open_model(Request(part, self.transfer.spec))
        tensors = {tensor.name: tensor for tensor in self._counted(written.tensors.values())}
        comparison = prove(
            self.transfer.carried,
            self.survey.digests(),
            self.transfer.weights.source.path,
            replace(written, tensors=tensors),
        )
        return replace(comparison, right=self.destination.path)

    def provenance(self, source_digest: str | None, digests: Mapping[str, str]) -> Provenance:
        transfer = self.transfer
        source = transfer.weights.source
        return Provenance(
            tool=release(),
            source=source.path.name,
            source_sha256=source_digest,
            source_format=source.format,
            dtype=self.dtype,
            dropped=tuple(remark.name for remark in transfer.dropped()),
            defaulted=tuple(remark.name for remark in transfer.defaulted()),
            sha256=digests,
            created=created(),
        )

    def report(
        self, provenance: Provenance, files: tuple[Path, ...], proof: Comparison | None
    ) -> Report:
        transfer = self.transfer
        return Report(
            source=transfer.weights.source.path,
            destination=self.destination.path,
            format=self.destination.format,
            files=files,
            spec=transfer.spec,
            temperature=transfer.temperature,
            provenance=provenance,
            carried=tuple(self._carried()),
            dropped=transfer.dropped(),
            defaulted=transfer.defaulted(),
            notes=(*transfer.weights.source.notes, *transfer.notes()),
            proof=proof,
        )

    def _carried(self) -> Iterator[Carried]:
        findings = self.survey.findings()
        # The companions, which are stored last, are none of the model's parameters.
        for parameter, tensor in zip(
            self.transfer.parameters, self.transfer.stored(), strict=False
        ):
            finding = findings[parameter.name]
            yield Carried(parameter.role.value, tensor.name, tensor.shape, tensor.nbytes, finding)

    def _counted(self, tensors: Iterable[Tensor]) -> list[Tensor]:
        return [self._told(tensor) for tensor in tensors]

    def _told(self, tensor: Tensor) -> Tensor:
        progress = self.progress
        if progress is None:
            return tensor

        def load() -> Array:
            progress.update()
            return tensor.load()

        return replace(tensor, load=load)
