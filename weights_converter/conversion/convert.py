"""From a checkpoint of one framework to a checkpoint of another."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from odconv_spec import Parameter
from odconv_spec.detectors import CODES, DetectorSpec
from weights_converter.arrays.casting import KEEP, cast, check_dtype, check_statistics
from weights_converter.arrays.digests import DRAFT, Digests, FileDigest
from weights_converter.arrays.dtypes import Array
from weights_converter.arrays.tensor import TensorInfo
from weights_converter.comparison.verify import Comparison
from weights_converter.conversion.collisions import check_apart, files_read, mode_of
from weights_converter.conversion.progress import Progress
from weights_converter.conversion.proof import prove
from weights_converter.conversion.provenance import Provenance
from weights_converter.conversion.report import Carried, Report
from weights_converter.conversion.survey import Survey
from weights_converter.conversion.transfer import Transfer
from weights_converter.errors import UsageError, legible
from weights_converter.formats.destination import Destination, Staged
from weights_converter.formats.entry_point import HUB_WEIGHTS
from weights_converter.formats.files.atomic import replacing
from weights_converter.formats.files.open_files import kept_open
from weights_converter.formats.files.part import check_destination
from weights_converter.hub.describe import Description, hub_folder
from weights_converter.identify.backbones import describe
from weights_converter.identify.detector_arrays import in_code
from weights_converter.identify.detectors import CANONICAL
from weights_converter.identify.model_arrays import Weights
from weights_converter.identify.open_model import open_model
from weights_converter.identify.request import Request
from weights_converter.names.layouts import LAYOUTS


def convert(
    source: str | Path | Request,
    destination: str | Path,
    *,
    dtype: str = KEEP,
    names: str | None = None,
    max_shard_bytes: int | None = None,
    overwrite: bool = False,
    proof: bool = True,
    dry_run: bool = False,
    allow_nonfinite: bool = False,
    allow_overflow: bool = False,
    allow_half_statistics: bool = False,
    report: str | Path | None = None,
    progress: Progress | None = None,
) -> Report:
    """Converts a checkpoint, reads the result back and compares every bit.

    Arrays pass through one at a time. The destination's format follows its ending: .pth, .pt,
    .pth.tar, .safetensors, .pdparams, .weights.h5 or .npz. It appears when it is complete, or not
    at all, with permissions that let nobody read it who may not read the source.

    Args:
        source: a checkpoint of any format, or a request that says more about it.
        destination: the file to write; or a folder that is there, or whose name ends in "/", for
            `model.safetensors` with `config.json` and a model card, see docs/hub.md.
        dtype: "keep", or "float32", "float16", "bfloat16" or "float64" for all floats.
        names: whose names and class order a detector gets, "torchvision", "mmdetection" or
            "paddledetection"; None is PaddleDetection's in a .pdparams file, torchvision's in
            others.
        max_shard_bytes: writes .safetensors or .weights.h5 as several files, of which each holds
            arrays of so many bytes at most, and an index.
        overwrite: replaces `destination` where it exists.
        proof: reads the result back, and keeps the digests of the arrays with it.
        dry_run: does all of it but the writing.
        allow_nonfinite: keeps NaN and infinities.
        allow_overflow: lets numbers that are too large for `dtype` become infinite.
        allow_half_statistics: lets `dtype` round the running statistics to half precision.
        report: a page that will be written about it, which must be no file that is read.
        progress: is told of each array.

    Returns:
        What was done.

    Raises:
        ConverterError: see `weights_converter.errors`; the destination is then as it was.

    Example:
        >>> checkpoint = Request("odconv_demo/digits.pth.tar", "odconv_demo/digits.json")
        >>> report = convert(checkpoint, "digits.safetensors")
        >>> report.verdict
        'all bits equal when read back'
        >>> convert(checkpoint, "digits.pdparams", dtype="float64").files
        (PosixPath('digits.pdparams'), PosixPath('digits.pdparams.manifest.json'))
    """
    request = Request.of(source)
    check_dtype(dtype)
    folder = hub_folder(destination)
    file = destination if folder is None else folder / HUB_WEIGHTS[0]
    target = Destination.of(file, max_shard_bytes, overwrite)
    with FileDigest(Path(request.path)) as file_digest, Digests() as digests, kept_open():
        weights = _named(open_model(request), names, target.layout)
        transfer = Transfer.of(weights, target.layout, dtype)
        if not allow_half_statistics:
            check_statistics(weights.tensors, weights.parameters, dtype)
        mode = _check_files(request, weights, target, report)
        described = Description.of(folder, weights, overwrite) if folder else None
        if described is not None and not dry_run:
            described.prepare()
        steps = _Steps(transfer, Survey(dtype), digests if proof else None, progress)
        if progress is not None:
            progress.reset(len(weights.parameters) * (2 if proof and not dry_run else 1))
        with _output(transfer, target, file_digest, proof, dry_run, mode) as staged:
            for parameter in weights.parameters:
                steps.carry(parameter, staged)
            for tensor in transfer.beside():
                staged.add(tensor, tensor.read())
            steps.survey.demand(allow_nonfinite, allow_overflow)
            sums = steps.digests_by_name()
            provenance = transfer.provenance(file_digest.result(), sums)
            part = staged.close(transfer.metadata(provenance))
            proven = None
            if part is not None and proof:
                proven = prove(transfer, sums, part, target.path, progress)
            files = staged.place()
        if described is not None and not dry_run:
            files += described.write()
        result = _report(transfer, target, provenance, files, steps.carried(sums), proven)
    if report is not None:
        from weights_converter.conversion.html_report import html_report  # few ask for it

        with replacing(Path(report), overwrite, mode) as page:
            page.write_text(html_report(result), encoding="utf-8")
    return result


def _named(weights: Weights, names: str | None, layout: str) -> Weights:
    """The arrays as a code calls them that was asked for, which only those of a detector can be."""
    if names is not None and names not in CODES:
        raise UsageError(f"names: expected {', '.join(CODES)}, received {legible(names)}")
    if names is not None and not isinstance(weights.spec, DetectorSpec):
        raise UsageError(
            f"names: expected the file of a detector beside {names!r}, received one of "
            f"{describe(weights.spec)}"
        )
    return in_code(weights, names or ("paddledetection" if layout == "paddle" else CANONICAL))


def _check_files(
    request: Request, weights: Weights, target: Destination, report: str | Path | None
) -> int:
    """The permissions of what will be written. Raises an error where it must not be written."""
    read, replaced = files_read(request, weights.source), target.replaced()
    pages = [] if report is None else [Path(report)]
    check_apart(read, [*replaced, *pages])
    for page in pages:
        if page.resolve() in {path.resolve() for path in (*target.names(), *replaced)}:
            raise UsageError(f"{legible(page.name)} is the destination, not a report")
        check_destination(page, target.overwrite)
    return mode_of([*read, *replaced])


@dataclass(frozen=True)
class _Steps:
    """What is done to each array on its way, and what is noted of it."""

    transfer: Transfer
    survey: Survey
    digests: Digests | None
    progress: Progress | None

    def carry(self, parameter: Parameter, staged: Staged) -> None:
        """Loads an array, casts it, looks at it, and writes it in the destination's axes."""
        tensor = self.transfer.weights.tensors[parameter.name]
        after = self.transfer.tag_of(parameter.name)
        array = tensor.load()
        result = cast(array, tensor.dtype, after)
        self.survey.look(tensor, array, result, after)
        del array  # it may be as large as the result
        if self.digests is not None:
            self.digests.add(parameter.name, result)
        stored = self.transfer.stored[parameter.name]
        layout = LAYOUTS[self.transfer.layout]
        staged.add(stored, stored.checked(layout.to_stored(parameter.role, result)))
        if self.progress is not None:
            self.progress.update()

    def digests_by_name(self) -> dict[str, str]:
        return {} if self.digests is None else self.digests.by_name()

    def carried(self, sums: Mapping[str, str]) -> tuple[Carried, ...]:
        findings = self.survey.findings(sums)
        return tuple(
            Carried(parameter.role.value, info.name, info.shape, info.nbytes, findings[name])
            for parameter, (name, info) in zip(
                self.transfer.weights.parameters, self.transfer.stored.items(), strict=True
            )
        )


def _output(
    transfer: Transfer,
    target: Destination,
    file_digest: FileDigest,
    proof: bool,
    dry_run: bool,
    mode: int,
) -> AbstractContextManager[Staged]:
    if dry_run:
        return nullcontext(_Nothing())
    sums = dict.fromkeys(transfer.stored if proof else (), DRAFT)
    draft = transfer.metadata(transfer.provenance(file_digest.draft(), sums))
    return target.open([*transfer.stored.values(), *transfer.beside()], draft, mode)


class _Nothing:
    """What a dry run writes."""

    def add(self, tensor: TensorInfo, array: Array) -> None:
        """Drops it."""

    def close(self, metadata: Mapping[str, str]) -> None:
        """There is nothing to read back."""

    def place(self) -> tuple[Path, ...]:
        return ()

    def discard(self) -> None:
        """There is nothing to remove."""


def _report(
    transfer: Transfer,
    target: Destination,
    provenance: Provenance,
    files: tuple[Path, ...],
    carried: tuple[Carried, ...],
    proven: Comparison | None,
) -> Report:
    return Report(
        source=transfer.weights.source.path,
        destination=target.path,
        format=target.format_name,
        files=files,
        spec=transfer.spec,
        temperature=transfer.temperature,
        provenance=provenance,
        carried=carried,
        dropped=transfer.dropped(),
        defaulted=transfer.defaulted(),
        notes=(*transfer.weights.source.notes, *transfer.notes()),
        proof=proven,
    )
