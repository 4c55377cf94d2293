"""An exported file that tells classes apart: its images and its answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from odconv.exporting.images import prepared_batches
from odconv.exporting.job import Job
from odconv.exporting.metadata import job_in
from odconv.runtimes import Exported, open_exported, runtime_of
from odconv_spec import from_json
from odconv_training.batches import IntArray, in_order
from odconv_training.evaluation import Told
from odconv_training.samples import Samples
from weights_converter.errors import UsageError, legible
from weights_converter.identify.backbones import describe
from weights_converter.identify.class_names import KEY as CLASS_NAMES
from weights_converter.identify.class_names import names_in

Logits = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class ExportedClassifier:
    """An exported file that is open.

    Attributes:
        told: its name, its model and its runtime.
        outputs: how many classes it tells apart.
        class_names: of these, none where the file tells none.
    """

    told: Told
    outputs: int
    class_names: tuple[str, ...]
    _network: Exported
    _job: Job

    def answers(
        self, samples: Samples, batch_size: int, workers: int
    ) -> Iterator[tuple[Logits, IntArray]]:
        """Logits (batch, classes) and labels (batch,) of each batch of samples in their order.

        A file for batches of a fixed size has these.
        """
        calls = in_order(np.arange(len(samples)), self._job.batch or batch_size)
        batches = prepared_batches(samples, calls, self._job, workers)
        for indices, images in zip(calls, batches, strict=True):
            yield _logits(self._network, images, self._job), samples.labels[indices]


@contextmanager
def exported_classifier(
    path: Path, runtime: str | None, image_size: int | None
) -> Iterator[ExportedClassifier]:
    """Opens an exported file, and closes it at the end.

    Args:
        path: of the file.
        runtime: which runs it; by default the first one that takes it.
        image_size: height and width of the images; by default those that the file was made for.

    Raises:
        UsageError: the file is not of `odconv export`, gives no logits or takes other images.
        ConverterError: it cannot be read.
        ModuleNotFoundError: the runtime is not installed.
    """
    network = open_exported(path, runtime)
    try:
        job = _sized(job_in(network.metadata), image_size)
        outputs = _logits(network, np.zeros(job.example, np.float32), job).shape[1]
        spec = network.metadata.get("odconv.spec")
        model = f"a network of {outputs} classes" if spec is None else describe(from_json(spec))
        names = names_in(network.metadata.get(CLASS_NAMES), legible(path.name))
        told = Told(legible(path.name), model, runtime_of(path, runtime).name)
        yield ExportedClassifier(told, outputs, names, network, job)
    finally:
        network.close()


def _sized(job: Job, image_size: int | None) -> Job:
    if job.features is not None:
        raise UsageError("expected a file that gives logits, received one with --features")
    if image_size is None or job.size == (image_size, image_size):
        return job
    if job.dynamic_size:
        return replace(job, size=(image_size, image_size))
    raise UsageError(
        f"expected images of {job.size[0]}x{job.size[1]}, which the file takes, received "
        f"--image-size {image_size}",
        help=f"leave it out, or export with --dynamic-size or --size {image_size}",
    )


def _logits(network: Exported, images: npt.NDArray[np.float32], job: Job) -> Logits:
    """Logits (batch, classes); where the file has a fixed batch, further images are empty."""
    count, missing = len(images), (job.batch or 0) - len(images)
    if missing > 0:
        images = np.pad(images, ((0, missing), (0, 0), (0, 0), (0, 0)))
    answers: Logits = network.run(images)[0][:count]
    # Logits are known but for a constant, which no score and no probability depends on.
    return np.log(np.maximum(answers, np.finfo(np.float32).tiny)) if job.softmax else answers
