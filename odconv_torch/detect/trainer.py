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

    Example:
        >>> from pathlib import Path
        >>> from odconv_training.detection.options import parse_training
        >>> from odconv_training.detection.shapes import write_shapes
        >>> write_shapes(Path("shapes"), images=10, size=64, seed=1)
        >>> words = "--model od_resnet18 --data shapes --output run_shapes --recipe small --steps 1"
        >>> words += " --batch-size 2 --min-size 64 --max-size 96 --quiet"
        >>> train(parse_training(words.split(), "detect"))
        >>> sorted(path.name for path in Path("run_shapes").glob("*.csv"))
        ['train.csv', 'validation.csv']
    """
    with joined(options.device) as processes:
        run(options, processes, DetectionTrainer)


class DetectionTrainer(odconv_torch.train.Trainer):
    """A detector with its optimizer, and its checkpoints by `torch.save`.

    Example:
        >>> from pathlib import Path
        >>> from odconv_torch.train.joining import joined
        >>> from odconv_training.detection.course import with_categories
        >>> from odconv_training.detection.options import parse_training
        >>> from odconv_training.detection.samples import open_scenes
        >>> from odconv_training.detection.shapes import write_shapes
        >>> write_shapes(Path("scenes"), images=10, size=64, seed=1)
        >>> words = ["--model", "od_resnet18", "--data", "scenes", "--recipe", "small"]
        >>> options = parse_training(words, "detect")
        >>> options = with_categories(options, open_scenes("scenes", masks=False))
        >>> with joined("cpu") as processes:
        ...     trainer = DetectionTrainer(options, processes)
        >>> trainer.measures[0], trainer.facts.device
        ('AP', 'cpu')
    """

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
