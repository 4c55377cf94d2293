"""How well a checkpoint recognises images: the course of an evaluation, in any framework."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from odconv_spec import BackboneSpec
from odconv_training import Score, TrainingError, in_order, labelled, open_validation
from weights_converter.arrays.tensor import Checkpoint
from weights_converter.errors import UsageError, legible
from weights_converter.formats.files.open_files import kept_open
from weights_converter.identify.backbones import describe
from weights_converter.identify.class_names import class_names_of
from weights_converter.identify.open_model import open_checkpoint
from weights_converter.identify.request import Request
from weights_converter.identify.target import target_of
from weights_converter.live.loading import load_checkpoint

_SHOWN = 10


@dataclass(frozen=True)
class Framework:
    """What an evaluation needs of a framework.

    Attributes:
        name: "torch", "paddle" or "keras".
        build: makes the network of a spec.
        logits: logits and labels of samples, batch after batch; see `odconv_F.train.evaluation`.
        attentions: attentions and logits of them, likewise; see `odconv_F.train.attentions`.
    """

    name: str
    build: Callable[[BackboneSpec], Any]
    logits: Callable[..., Iterator[tuple[Any, Any]]]
    attentions: Callable[..., Iterator[tuple[Any, Any]]]


class Told(NamedTuple):
    """What a result says of the network: the name of its file, what it is, and what computed."""

    checkpoint: str
    model: str
    framework: str


@dataclass(frozen=True)
class Confusion:
    """`count` of the `images` of a class were taken for another."""

    truth: str
    answer: str
    count: int
    images: int


@dataclass(frozen=True)
class Evaluation:
    """The score of a checkpoint on the validation images of some data.

    `classes` are those that the checkpoint tells, or those of the data, in the order of the logits.
    """

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

    @property
    def seen(self) -> int:
        """Number of classes that there are images of."""
        return int(np.count_nonzero(self.score.confusion.sum(axis=1)))

    def name(self, label: int) -> str:
        """The class's; a network may have outputs that nobody has named."""
        return output_name(self.classes, label)

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
            f"images    {self.score.images} of {self.seen} classes, {self.data}",
            f"top-1     {self.score.top1:.2f} %",
            f"top-5     {self.score.top5:.2f} %",
            f"loss      {self.score.loss:.4f}",
            f"images/s  {self.images_per_second:.1f}",
        ]
        worst = [one for one, _ in zip(self.confusions(), range(_SHOWN), strict=False)]
        lines += [
            f"{one.truth} taken for {one.answer}: {one.count} of {one.images}" for one in worst
        ]
        return "\n".join(lines)


def score_checkpoint(
    request: Request,
    data: str,
    framework: Framework,
    *,
    batch_size: int,
    image_size: int,
    workers: int,
) -> Evaluation:
    """Scores a checkpoint, which is opened once; see `odconv.evaluate`."""
    with kept_open():
        checkpoint, spec = open_classifier(request)
        with data_of_the_user():
            names = class_names_of(checkpoint)
            source = labelled(open_validation(data), spec.name, spec.num_classes, names)
        network = framework.build(spec)
        load_checkpoint(network, checkpoint, cast=True)
    calls = in_order(np.arange(len(source.validation)), batch_size)
    answers = framework.logits(network, source.validation, calls, image_size, workers)
    told = Told(legible(Path(request.path).name), describe(spec), framework.name)
    return scored(told, data, source.classes, spec.num_classes, answers)


def scored(
    told: Told,
    data: str,
    classes: tuple[str, ...],
    outputs: int,
    answers: Iterable[tuple[Any, Any]],
) -> Evaluation:
    """The score of answers, which are computed while they are counted.

    Args:
        told: of the network.
        data: where the images are from.
        classes: names of the outputs, as many as are known.
        outputs: how many the network has.
        answers: logits (batch, outputs) and labels (batch,) of each batch.

    Raises:
        UsageError: an image is damaged.
    """
    with data_of_the_user():  # an image may prove to be damaged when its turn comes
        score, speed = _counted(answers, outputs)
    return Evaluation(*told, legible(data), classes, score, speed)


def open_classifier(request: Request) -> tuple[Checkpoint, BackboneSpec]:
    """A checkpoint and the network that it is of.

    Raises:
        UsageError: it is of no network of this package with a head.
    """
    checkpoint = open_checkpoint(request)
    spec = target_of(checkpoint, request)
    if isinstance(spec, BackboneSpec) and spec.num_classes:
        return checkpoint, spec
    raise UsageError(
        f"{legible(checkpoint.path.name)} is of {describe(spec)}, which is no whole network of "
        "odconv",
        help="--model takes a name or a spec; see `odconv models`",
    )


class Classifier(NamedTuple):
    """A network with the arrays of a checkpoint, and the names of its classes."""

    checkpoint: Checkpoint
    spec: BackboneSpec
    class_names: tuple[str, ...]
    network: Any


def load_classifier(request: Request, framework: Framework) -> Classifier:
    """Opens a checkpoint once, and makes the network that it is of.

    Raises:
        UsageError: it is of no network of this package with a head.
    """
    with kept_open():
        checkpoint, spec = open_classifier(request)
        names = class_names_of(checkpoint)
        network = framework.build(spec)
        load_checkpoint(network, checkpoint, cast=True)
    return Classifier(checkpoint, spec, names, network)


def output_name(classes: Sequence[str], label: int) -> str:
    """The name of an output's class, or the output's number where nobody has named it."""
    return legible(classes[label]) if label < len(classes) else f"output {label}"


@contextmanager
def data_of_the_user() -> Iterator[None]:
    """Turns what odconv_training says of the data into an error of this package."""
    try:
        yield
    except TrainingError as error:
        raise UsageError(str(error)) from error


def _counted(answers: Iterable[tuple[Any, Any]], outputs: int) -> tuple[Score, float]:
    """The score, and images per second without the first batch, where all is done a first time."""
    score = Score(outputs)
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
