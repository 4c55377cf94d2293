"""What a checkpoint takes images for: the classes with the highest probabilities."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from odconv_training.batches import in_order
from odconv_training.evaluation import (
    Framework,
    Told,
    data_of_the_user,
    load_classifier,
    output_name,
)
from odconv_training.samples import Samples
from odconv_training.trainer import Answer
from weights_converter.errors import UsageError, legible
from weights_converter.identify.backbones import describe
from weights_converter.identify.request import Request


@dataclass(frozen=True)
class Guess:
    """A class, and how probable it is: the softmax of the logits, from 0 to 1."""

    name: str
    probability: float


@dataclass(frozen=True)
class Prediction:
    """The most probable classes of each image, the first one first."""

    checkpoint: str
    model: str
    framework: str
    images: tuple[tuple[str, tuple[Guess, ...]], ...]

    def to_dict(self) -> dict[str, Any]:
        return {
            "checkpoint": self.checkpoint,
            "model": self.model,
            "framework": self.framework,
            "images": [
                {"image": image, "classes": [vars(guess) for guess in guesses]}
                for image, guesses in self.images
            ],
        }

    def __str__(self) -> str:
        head = f"{self.checkpoint}: {self.model}, in {self.framework}"
        if len(self.images) == 1:
            ((image, guesses),) = self.images
            lines = [f"{100 * guess.probability:6.2f} %  {guess.name}" for guess in guesses]
            return "\n".join((head, image, *lines))
        return "\n".join((head, *self._table()))

    def _table(self) -> list[str]:
        """A row for each image, with columns of equal widths."""
        places = range(1, 1 + len(self.images[0][1]))
        rows = [["image", *map(str, places)]]
        rows += [
            [image, *(f"{g.name} {100 * g.probability:.1f} %" for g in guesses)]
            for image, guesses in self.images
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        pairs = [zip(row, widths, strict=True) for row in rows]
        return ["  ".join(f"{cell:<{width}}" for cell, width in pair).rstrip() for pair in pairs]


def predict_checkpoint(
    request: Request,
    images: Sequence[Path],
    framework: Framework,
    *,
    top: int,
    batch_size: int,
    image_size: int,
    workers: int,
) -> Prediction:
    """Reads images as an evaluation does, and the checkpoint once; see `odconv.predict`."""
    samples = samples_of(images)
    checkpoint, spec, names, network = load_classifier(request, framework)
    calls = in_order(np.arange(len(images)), batch_size)
    answers = framework.logits(network, samples, calls, image_size, workers)
    told = Told(legible(checkpoint.path.name), describe(spec), framework.name)
    return predicted(told, images, names, answers, top)


def samples_of(images: Sequence[Path]) -> Samples:
    """Images without labels, each of which can be opened.

    Raises:
        UsageError: there are none.
        OSError: a file is not there.
    """
    if not images:
        raise UsageError("expected at least one image, received none")
    for image in images:
        image.open("rb").close()  # a file that is not there is no damaged image
    return Samples(np.zeros(len(images), np.int64), tuple(images))


def predicted(
    told: Told,
    images: Sequence[Path],
    names: Sequence[str],
    answers: Iterable[Answer],
    top: int,
) -> Prediction:
    """The most probable classes of images, of a network's logits for batches of them.

    Raises:
        UsageError: an image is damaged.
    """
    with data_of_the_user():
        logits = np.concatenate([part for part, _ in answers])  # (images, classes)
    best = [_best(row, names, top) for row in softmax(logits)]
    return Prediction(*told, tuple(zip(map(legible, map(str, images)), best, strict=True)))


def softmax(logits: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
    """Probabilities (images, classes) of logits of that shape."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    powers = np.exp(shifted)
    probabilities: npt.NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


def _best(row: npt.NDArray[np.float64], names: Sequence[str], top: int) -> tuple[Guess, ...]:
    order = np.argsort(-row, kind="stable")[:top]
    return tuple(Guess(output_name(names, int(label)), float(row[label])) for label in order)
