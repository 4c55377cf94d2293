"""The course of an export: read from top to bottom."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from odconv.exporting import metadata
from odconv.exporting.asking import ExportOptions, Known, job_of
from odconv.exporting.job import Job
from odconv.exporting.proof import Proof, prove
from odconv.exporting.staging import check_free, staged
from odconv.exporting.targets import PORTABLE, Target, target_of
from odconv.runtimes.table import RUNTIMES
from odconv_spec import BackboneSpec
from odconv_spec.schedule import annealing_of
from weights_converter.arrays.digests import digests_of
from weights_converter.arrays.sizes import size_text
from weights_converter.errors import ConverterError, RefusedError, UsageError, legible
from weights_converter.formats.entry_point import HUB_WEIGHTS, entry_point
from weights_converter.formats.files.open_files import kept_open
from weights_converter.hub.config import CONFIG, HubConfig
from weights_converter.identify.backbones import describe
from weights_converter.identify.class_names import class_names_of
from weights_converter.identify.model_arrays import (
    Weights,
    recorded_temperature,
    target_metadata,
    temperature_of,
)
from weights_converter.identify.open_model import open_model
from weights_converter.identify.request import Request
from weights_converter.live.loading import load_checkpoint


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
        default, reason = self.target.default_form(job.int8 is not None)
        lines = [
            f"{legible(self.path.name)}: {self.model}, {size_text(self.nbytes)}",
            f"  input   {batch} of images {job.channels}x{size}",
            f"  form    {job.form}: {reason if job.form == default else 'as asked for'}",
            f"  proof   {self.proof}",
        ]
        if job.half or job.int8:
            agreeing = f"{100 * self.proof.agreement:.1f} %"
            lines.append(f"  classes {agreeing} of the random images as in float32")
        return "\n".join(lines)


def export(
    checkpoint: str | Path | Request,
    destination: str | Path,
    *,
    format: str | None = None,
    overwrite: bool = False,
    **options: Any,
) -> ExportReport:
    """Writes a checkpoint of any framework as a file that a runtime plays, and proves it.

    The file is played in its own runtime at batches 1, 2 and 5 and compared with the network in
    float32. It appears when it computes the same, or not at all.

    Args:
        checkpoint: a file of any format, or a request that says more of it.
        destination: the file to write; its ending says the format: .onnx, .xml (OpenVINO), .pt2 or
            .torchscript, and what else `odconv export --help` lists.
        format: the format, which the ending must fit.
        overwrite: whether it may replace a file.
        **options: fields of `ExportOptions`, such as `form`, `batch`, `size`, `features`, `half`.

    Returns:
        What was written, with the largest difference.

    Raises:
        UsageError: what is asked for does not exist, or does not fit the network.
        MismatchError: the file computes something else, or is not what its form promises.
        ConverterError: the checkpoint cannot be read, or nothing can be written.
        ModuleNotFoundError: the extra of the format is not installed.

    Example:
        >>> found = export("model_best.pth.tar", "model.onnx", size=160)  # doctest: +SKIP
        >>> found.proof.difference  # doctest: +SKIP
        2.4e-07
    """
    start = time.perf_counter()
    path = Path(destination)
    target = target_of(path, format)
    check_free(path, overwrite)
    needed(target)
    with kept_open():
        weights, spec = open_network(checkpoint)
        job = job_of(ExportOptions(**options), target, _known(weights, spec))
        told = metadata.digest_of(digests_of(weights.tensors.values()))
        model = target.networks.build(spec)
        load_checkpoint(model, weights.source, cast=True)
    temperature = _rested(weights)
    texts = metadata.metadata_of(job, target.layout, target_metadata(spec), told, temperature)
    job = replace(job, metadata=texts)
    proof, nbytes = deliver(model, path, target, job, overwrite)
    seconds = time.perf_counter() - start
    return ExportReport(path, describe(spec), target, job, proof, nbytes, seconds)


def deliver(model: Any, path: Path, target: Target, job: Job, overwrite: bool) -> tuple[Proof, int]:
    """Writes a network, proves what was written, and puts it into its place.

    Returns:
        The proof, and the bytes of all files.
    """
    networks = target.networks
    source = networks.wrapped(model, job)
    with staged(path, overwrite) as draft:
        with _refusing(target):
            target.writer.write(networks.prepared(source, job), draft, job)
        if job.form == PORTABLE and target.name == "onnx" and not job.int8:
            from odconv.exporting.portable import check_portable

            check_portable(draft)
        proof = prove(draft, partial(networks.outputs, source), job, target.runtime)
        if not job.int8:  # integers compute something else, by how much is what is told
            proof.demand_equal(path.name)
        nbytes = sum(file.stat().st_size for file in draft.parent.rglob("*") if file.is_file())
    return proof, nbytes


def needed(target: Target) -> None:
    """Imports what writes and plays a target: a lack is known before a checkpoint is read.

    Raises:
        ModuleNotFoundError: something is not installed; the message has what to install.
    """
    (runtime,) = (row for row in RUNTIMES if row.name == target.runtime)
    try:
        _ = target.networks, target.writer, import_module(runtime.module)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"an export to {target.name} needs {error.name}, which is not installed: "
            f"pip install 'odconv[{target.extra}]'",
            name=error.name,
        ) from error


@contextmanager
def _refusing(target: Target) -> Iterator[None]:
    """Says in one sentence what an exporter, which is of other people, does not take."""
    try:
        yield
    except (ConverterError, OSError, MemoryError):
        raise
    except Exception as error:  # each exporter has errors of its own
        reason = legible(" ".join(str(error).split()))
        raise RefusedError(
            f"the network cannot be written as {target.name}: {type(error).__name__}: {reason}"
        ) from error


def open_network(checkpoint: str | Path | Request) -> tuple[Weights, BackboneSpec]:
    """A checkpoint and its network. Raises UsageError where it is of no whole network."""
    weights = open_model(checkpoint)
    if isinstance(weights.spec, BackboneSpec):
        return weights, weights.spec
    raise UsageError(
        f"{legible(weights.source.path.name)} is of {describe(weights.spec)}, which is no whole "
        "network of odconv",
        help="build it, load_into() the file, and odconv.export_onnx(model, path)",
    )


def _rested(weights: Weights) -> float | None:
    """The temperature that the file has, if any. Raises UsageError where it is still annealed."""
    recorded = recorded_temperature(weights)
    if not weights.dynamic:
        return None
    rest = annealing_of(weights.parameters).rest
    if recorded is not None and recorded > rest:
        raise UsageError(
            f"{legible(weights.source.path.name)} has temperature {recorded:g}: its attentions are "
            "not what they will be",
            help=f"train on until the temperature is {rest:g}, or set it and save again",
        )
    return temperature_of(weights)


def _known(weights: Weights, spec: BackboneSpec) -> Known:
    """What the checkpoint, and the folder that it is the hub's of, tell of the network."""
    known = Known(
        spec.in_channels,
        spec.num_classes,
        tuple(spec.feature_info()),
        labels=class_names_of(weights.source),
    )
    path = entry_point(weights.source.path)
    if path.name not in HUB_WEIGHTS or not path.with_name(CONFIG).is_file():
        return known
    config = HubConfig.read(path.parent)
    return known._replace(
        size=config.image_size,
        mean=config.mean or (),
        std=config.std or (),
        labels=known.labels or config.class_names,
    )
