"""A training of a detector in PyTorch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch

import odconv_torch.train
from odconv_torch.detect.build import body_of, build_detector
from odconv_torch.detect.data import Batch, training_batches
from odconv_torch.detect.evaluation import results
from odconv_torch.detect.step import Step
from odconv_torch.models import Features
from odconv_torch.train.joining import joined
from odconv_torch.train.processes import Processes
from odconv_training import Facts, Samples, shards
from odconv_training.batches import IntArray
from odconv_training.detection.course import run
from odconv_training.detection.options import DetectionOptions
from odconv_training.detection.samples import Annotated
from odconv_training.detection.scores import DetectionScore, detection_score, measures_of
from weights_converter import Loaded


def train(options: DetectionOptions) -> None:
    """Trains or resumes, as the options say, in this and all processes of torchrun.

    Raises:
        TrainingError, ConverterError, OSError: as `odconv_training.detection.course.run`;
            TrainingError also where torch has no such device, or another process ended too early.
    """
    with joined(options.device) as processes:
        run(options, processes, DetectionTrainer)


class DetectionTrainer(odconv_torch.train.Trainer):
    """A detector with its optimizer, and its checkpoints by `torch.save`."""

    options: DetectionOptions
    steps = Step

    def __init__(self, options: DetectionOptions, processes: Processes) -> None:
        self.measures = measures_of(options.detector.masks)
        super().__init__(options, processes)

    def build(self) -> torch.nn.Module:
        return build_detector(self.options.network)

    @property
    def body(self) -> Features:
        return body_of(self.model)

    def describe(self, started: Loaded | None) -> Facts:
        facts = super().describe(started)
        title = f"{self.options.detector.title} on {self.options.spec.name}"
        parameters = sum(p.numel() for p in self.model.parameters())
        return Facts(facts.device, facts.trained, started, title, parameters)

    def batches(  # type: ignore[override]  # of images of any sizes, and objects
        self, samples: Samples, indices: Sequence[IntArray], epoch: int
    ) -> Iterable[Batch]:
        self.model.train()
        seed, workers = self.options.seed, self.options.workers
        masks = self.options.detector.masks
        return training_batches(cast(Annotated, samples), indices, seed, epoch, masks, workers)

    def score(self, samples: Samples) -> DetectionScore:
        annotated, processes = cast(Annotated, samples), self.processes
        own = shards(len(annotated), processes.rank, processes.world)
        parts = processes.gathered(results(self.model, annotated, own, self.options.workers))
        score = None
        if processes.writes:
            rows = [row for part in parts for row in part]
            score = detection_score(annotated, rows, self.options.detector.masks)
        return cast(DetectionScore, processes.from_first(score))

    def write(self, path: Path, content: Mapping[str, Any]) -> None:
        self.write_arrays(path, content)
