"""The course of an export: read from top to bottom."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from odconv.exporting import metadata
from odconv.exporting.asking import ExportOptions, job_of
from odconv.exporting.job import Job
from odconv.exporting.proof import Proof, probes, prove
from odconv.exporting.report import ExportReport
from odconv.exporting.source import known_of, open_network, rested
from odconv.exporting.staging import check_free, staged
from odconv.exporting.targets import PORTABLE, Target, target_of
from odconv.runtimes.table import RUNTIMES
from weights_converter.arrays.digests import digests_of
from weights_converter.errors import ConverterError, RefusedError, legible
from weights_converter.formats.files.open_files import kept_open
from weights_converter.identify.backbones import describe
from weights_converter.identify.model_arrays import target_metadata
from weights_converter.identify.request import Request
from weights_converter.live.loading import load_checkpoint


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
        >>> checkpoint = Request("odconv_demo/digits.pth.tar", "odconv_demo/digits.json")
        >>> found = export(checkpoint, "digits.onnx", size=32)
        >>> found.proof.equal, found.proof.difference < 1e-5
        (True, True)
    """
    start = time.perf_counter()
    path = Path(destination)
    target = target_of(path, format)
    check_free(path, overwrite)
    needed(target)
    with kept_open():
        weights, spec = open_network(checkpoint)
        job = job_of(ExportOptions(**options), target, known_of(weights, spec))
        temperature = rested(weights)
        told = metadata.digest_of(digests_of(weights.tensors.values()))
        model = target.networks.build(spec)
        load_checkpoint(model, weights.source, cast=True)
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
        proof = prove(draft, partial(networks.outputs, source), job, target.runtime, _images(job))
        if not job.int8:  # integers compute something else, by how much is what is told
            proof.demand_equal(path.name)
        nbytes = sum(file.stat().st_size for file in draft.parent.rglob("*") if file.is_file())
    return proof, nbytes


def _images(job: Job) -> Iterator[npt.NDArray[np.float32]]:
    """What the file is played with: random images, or those of a calibration."""
    if job.int8 is None:
        return probes(job)
    from odconv.exporting.calibration import calibration_batches

    return calibration_batches(job.int8, job)


def needed(target: Target) -> None:
    """Imports what writes and plays a target: a lack is known before a checkpoint is read.

    Raises:
        ModuleNotFoundError: something is not installed; the message has what to install.
    """
    (runtime,) = (row for row in RUNTIMES if row.name == target.runtime)
    try:
        _ = target.networks, target.writer, import_module(runtime.module)
    except ModuleNotFoundError as error:
        needed = (error.name or str(error)).partition(".")[0]
        raise ModuleNotFoundError(
            f"an export to {target.name} needs {needed}, which is not installed: "
            f"pip install 'odconv[{target.extra}]'",
            name=needed,
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
