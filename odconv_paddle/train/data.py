"""Batches by Paddle's DataLoader; images of a folder by paddle.vision's transforms on PIL."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import paddle
from paddle.io import DataLoader, Dataset
from paddle.vision import transforms as T

from odconv_training.batches import sample_seed
from odconv_training.errors import CorruptImageError, TrainingError
from odconv_training.samples import MEAN, STD, Samples

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]
Transform = Callable[[Any], Any]  # PIL image to (3, height, width) in float32
Batch = tuple[paddle.Tensor, paddle.Tensor]  # (batch, 3, height, width) and (batch,)


def training_batches(
    samples: Samples,
    batches: Sequence[IntArray],
    seed: int,
    epoch: int,
    image_size: int = 224,
    workers: int = 0,
) -> Iterator[Batch]:
    """Images and labels of each batch; see `odconv_training.Trainer.batches`."""
    return _loaded(Batches(samples, batches, augmentation(image_size), (seed, epoch)), workers)


def evaluation_batches(
    samples: Samples, batches: Sequence[IntArray], image_size: int = 224, workers: int = 0
) -> Iterator[Batch]:
    """Images and labels of each batch; see `odconv_training.Trainer.answers`."""
    return _loaded(Batches(samples, batches, evaluation(image_size)), workers)


class Batches(Dataset):
    """The batches of a split, each as [images, labels, what is wrong with them or nothing].

    Paddle's workers lose the message of an exception, so that it comes back in the batch.
    """

    def __init__(
        self,
        samples: Samples,
        batches: Sequence[IntArray],
        transform: Transform,
        seed_epoch: tuple[int, int] | None = None,
    ) -> None:
        self.samples = samples
        self.batches = batches
        self.transform = transform
        self.seed_epoch = seed_epoch

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, number: int) -> list[Any]:
        indices = self.batches[number]
        labels = self.samples.labels[indices]  # (batch,)
        if self.samples.images is not None:
            return [self.samples.images[indices], labels, ""]
        try:
            images = np.stack([self._image(int(index)) for index in indices])
        except CorruptImageError as error:
            return [np.zeros(1, np.float32), labels, str(error)]
        return [images, labels, ""]  # (batch, 3, height, width)

    def _image(self, index: int) -> FloatArray:
        image = self.samples.open(index)
        if self.seed_epoch is None:
            return self.transform(image)
        with _seeded(sample_seed(*self.seed_epoch, index)):
            return self.transform(image)


def augmentation(image_size: int) -> Transform:
    """Random resized crop and flip, as in the recipes of the papers."""
    return T.Compose([T.RandomResizedCrop(image_size), T.RandomHorizontalFlip(), *_to_array()])


def evaluation(image_size: int) -> Transform:
    """Resize of the shorter side to 8/7 (256 for 224), centre crop, normalisation.

    PIL's bilinear filter is antialiased.
    """
    return T.Compose(
        [T.Resize(round(image_size * 256 / 224)), T.CenterCrop(image_size), *_to_array()]
    )


def _to_array() -> list[Any]:
    """From a PIL image to (3, height, width), without tensors: a worker must not start threads."""
    mean, std = ([255 * value for value in values] for values in (MEAN, STD))
    return [T.Transpose(), T.Normalize(mean, std)]


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """The global generators, both of which Paddle's transforms draw from, for a while."""
    states = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])


def _loaded(batches: Batches, workers: int) -> Iterator[Batch]:
    """
    Raises:
        CorruptImageError: a file is no image, or a damaged one.
        TrainingError: a worker has ended before its time.
    """
    # Without a batch size, an item is a batch; Paddle's type hints leave that out.
    loader = iter(DataLoader(batches, batch_size=None, num_workers=workers))  # type: ignore[arg-type]
    for _ in range(len(batches)):
        try:
            images, labels, complaint = next(loader)
        except (RuntimeError, SystemError) as error:
            if not workers:
                raise
            raise TrainingError(
                f"expected {workers} workers that load images, one has ended: "
                f"{str(error).strip()}; start again with --resume, with fewer --workers if memory "
                "was short"
            ) from error
        if complaint:
            raise CorruptImageError(complaint)
        yield images, labels
