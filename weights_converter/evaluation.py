"""How well a checkpoint recognises images, in the framework of one's choice.

Unlike the rest of this package it needs odconv_training, Pillow and a framework, so the command
line imports it only when it is asked for.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from odconv_spec import BackboneSpec
from odconv_training import Score, TrainingError, check_classes, open_validation
from weights_converter.errors import UsageError, legible
from weights_converter.identify.backbones import describe
from weights_converter.identify.open_model import open_checkpoint
from weights_converter.identify.request import Request
from weights_converter.identify.target import target_of
from weights_converter.live.loading import load_into

_SHOWN = 10


@dataclass(frozen=True)
class Confusion:
    """`count` of the `images` of a class were taken for another."""

    truth: str
    answer: str
    count: int
    images: int


@dataclass(frozen=True)
class Evaluation:
    """The score of a checkpoint on the validation images of some data."""

    checkpoint: str
    model: str
    framework: str
    data: str
    classes: tuple[str, ...]
    score: Score
    images_per_second: float

    def confusions(self) -> Iterator[Confusion]:
        """The wrong answers, the most frequent first."""
        wrong = self.score.confusion - np.diag(self.score.confusion.diagonal())
        for place in np.argsort(-wrong, axis=None, kind="stable"):
            truth, answer = divmod(int(place), len(wrong))
            if wrong[truth, answer] == 0:
                return
            images = int(self.score.confusion[truth].sum())
            yield Confusion(self.name(truth), self.name(answer), int(wrong[truth, answer]), images)

    def name(self, label: int) -> str:
        """The class's; a network may have outputs that the data have no class for."""
        return legible(self.classes[label]) if label < len(self.classes) else f"output {label}"

    def to_dict(self) -> dict[str, Any]:
        return {
            "checkpoint": self.checkpoint,
            "model": self.model,
            "framework": self.framework,
            "data": self.data,
            "images": self.score.images,
            "top1": self.score.top1,
            "top5": self.score.top5,
            # JSON has no NaN, which the loss of a broken network is.
            "loss": self.score.loss if np.isfinite(self.score.loss) else None,
            "images_per_second": self.images_per_second,
            "confusions": [vars(confusion) for confusion in self.confusions()],
        }

    def __str__(self) -> str:
        lines = [
            f"{self.checkpoint}: {self.model}, in {self.framework}",
            f"images    {self.score.images} of {len(self.classes)} classes, {self.data}",
            f"top-1     {self.score.top1:.2f} %",
            f"top-5     {self.score.top5:.2f} %",
            f"loss      {self.score.loss:.4f}",
            f"images/s  {self.images_per_second:.1f}",
        ]
        worst = [one for one, _ in zip(self.confusions(), range(_SHOWN), strict=False)]
        lines += [
            f"{one.count} of {one.images} {one.truth} taken for {one.answer}" for one in worst
        ]
        return "\n".join(lines)


def evaluate(
    checkpoint: str | Path | Request,
    data: str,
    framework: str,
    *,
    batch_size: int = 64,
    image_size: int = 224,
    workers: int = 0,
) -> Evaluation:
    """Scores a checkpoint of any framework on the images of a folder's val/, or on the digits.

    Args:
        checkpoint: a file of any format.
        data: a folder in ImageNet's layout, or "digits".
        framework: "torch", "paddle" or "keras", which computes.
        batch_size: images in one call of the network.
        image_size: height and width of a folder's images, in pixels.
        workers: processes that load images.

    Raises:
        ConverterError: the checkpoint cannot be read, or is of another model.
        UsageError: the data cannot be read, or have more classes than the network outputs.
        ModuleNotFoundError: the framework, or what loads the images, is not installed.
    """
    request = Request.of(checkpoint)
    path = Path(request.path)
    spec = target_of(open_checkpoint(request), request)
    if not isinstance(spec, BackboneSpec):
        raise UsageError(
            f"{legible(path.name)} is of {describe(spec)}, which is no whole network of odconv",
            help="--model takes a name or a spec; see `odconv models`",
        )
    with _data_of_the_user():
        source = open_validation(data)
        check_classes(source, spec)
    runtime = import_module(f"odconv_{framework}.train.evaluation")
    network = import_module(f"odconv_{framework}.models.factory").build_model(spec)
    load_into(network, request, cast=True)
    settings = {"batch_size": batch_size, "image_size": image_size, "workers": workers}
    with _data_of_the_user():  # an image may prove to be damaged when its turn comes
        answers = runtime.logits(network, source.validation, **settings)
        score, speed = _scored(answers, spec.num_classes)
    names = (legible(path.name), describe(spec), framework, legible(data))
    return Evaluation(*names, source.classes, score, speed)


@contextmanager
def _data_of_the_user() -> Iterator[None]:
    """Turns what odconv_training says of the data into an error of this package."""
    try:
        yield
    except TrainingError as error:
        raise UsageError(str(error)) from error


def _scored(answers: Iterable[tuple[Any, Any]], classes: int) -> tuple[Score, float]:
    """The score, and images per second without the first batch, where all is done a first time."""
    score = Score(classes)
    start = first = time.perf_counter()
    before = 0
    for logits, labels in answers:
        score.add(logits, labels)
        if not before:
            first, before = time.perf_counter(), score.images
    later = score.images - before
    if later == 0:
        return score, score.images / (time.perf_counter() - start)
    return score, later / (time.perf_counter() - first)
