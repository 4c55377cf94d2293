"""What is learned: a network knows the digits 0 to 4, and shall learn 5 to 9 from few images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from odconv_spec import BackboneSpec, model_spec
from odconv_training import RECIPES, Options, Recipe, Samples, Source, open_source

STAGES = ((16, 1), (32, 1))
KNOWN, NEW = (0, 1, 2, 3, 4), (5, 6, 7, 8, 9)
IMAGES = 10  # of each new digit to train with
KNOWN_EPOCHS, NEW_EPOCHS = 5, 10
START, SCRATCH = "checkpoint", "random weights"
STARTS = (SCRATCH, START)


def known() -> Source:
    """All images of the first five digits."""
    return _part(KNOWN)


def new(seed: int) -> Source:
    """All test images of the last five digits, and a few of each, drawn by the seed, to learn."""
    every = _part(NEW)
    train = every.train
    draw = np.random.default_rng(seed)
    few = [
        draw.choice(np.flatnonzero(train.labels == label), IMAGES, replace=False)
        for label in range(len(NEW))
    ]
    return replace(every, train=_chosen(train, np.concatenate(few)))


def spec() -> BackboneSpec:
    """A ResNet of two blocks of ODConv with five outputs."""
    return model_spec(
        "od_resnet18", stages=STAGES, stem_channels=STAGES[0][0], kernel_num=4, num_classes=len(NEW)
    )


def options(
    source: Source, recipe: Recipe, folder: Path, seed: int, start: Path | None = None
) -> Options:
    """Of one training on a source."""
    return Options(
        spec(),
        "digits",
        recipe,
        folder,
        class_names=source.classes,
        seed=seed,
        start=start,
        quiet=True,
    )


def known_recipe() -> Recipe:
    """How the checkpoint is trained."""
    return _squeezed(KNOWN_EPOCHS, batch_size=64)


def new_recipe() -> Recipe:
    """How the new digits are learned, the same from a checkpoint and from random weights."""
    return _squeezed(NEW_EPOCHS, batch_size=8)


def _squeezed(epochs: int, batch_size: int) -> Recipe:
    """The recipe of the digits in fewer epochs, annealing included."""
    usual = RECIPES["digits"]
    annealing = usual.temperature_epochs * epochs / usual.epochs
    return replace(usual, epochs=epochs, batch_size=batch_size, temperature_epochs=annealing)


def _part(digits: Sequence[int]) -> Source:
    every = open_source("digits")
    train, validation = (_only(split, digits) for split in (every.train, every.validation))
    return Source(tuple(map(str, digits)), train, validation)


def _only(samples: Samples, digits: Sequence[int]) -> Samples:
    """The samples of some digits, with labels from 0."""
    chosen = _chosen(samples, np.flatnonzero(np.isin(samples.labels, digits)))
    return replace(chosen, labels=chosen.labels - digits[0])


def _chosen(samples: Samples, indices: npt.NDArray[np.int64]) -> Samples:
    if samples.images is None:
        raise ValueError("expected samples with images, received files")
    return Samples(samples.labels[indices], images=samples.images[indices])
