"""Batches as `keras.utils.PyDataset`, which `fit` and `evaluate` of any backend take, too."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import keras
import numpy as np

from odconv_keras.train.images import augmentation
from odconv_training import Samples, sample_seed
from odconv_training.images import evaluation

Batch = tuple[np.ndarray, np.ndarray]  # (batch, *image) and (batch,)
Loader = Callable[[int], np.ndarray]  # index of a sample -> (height, width, 3)

_AHEAD = 2  # batches that each worker has ready


class Batches(keras.utils.PyDataset):
    """The given batches of a split, in their order.

    Args:
        samples: a split.
        batches: indices of each batch's samples.
        load: gives the image of a sample, where `samples` has files.
        data_format: "channels_last" or "channels_first".
        workers: how many load batches at a time.
    """

    def __init__(
        self,
        samples: Samples,
        batches: Sequence[np.ndarray],
        load: Loader,
        data_format: str,
        workers: int = 0,
    ) -> None:
        super().__init__(workers=max(workers, 1))
        self.samples = samples
        self.batches = batches
        self.load = load
        self.data_format = data_format

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> Batch:
        chosen = self.batches[index]
        labels = self.samples.labels[chosen]  # (batch,)
        if self.samples.images is not None:
            return _formatted(self.samples.images[chosen], 1, self.data_format), labels
        images = np.stack([self.load(int(sample)) for sample in chosen])
        return _formatted(images, -1, self.data_format), labels


def training_batches(
    samples: Samples,
    batches: Sequence[np.ndarray],
    seed: int,
    epoch: int,
    image_size: int = 224,
    workers: int = 0,
    data_format: str = "channels_last",
) -> Iterator[Batch]:
    """Images and labels of each batch; see `odconv_training.Trainer.batches`."""

    def load(index: int) -> np.ndarray:
        return augmentation(samples.open(index), image_size, sample_seed(seed, epoch, index))

    return _loaded(Batches(samples, batches, load, data_format, workers), workers)


def evaluation_batches(
    samples: Samples,
    batches: Sequence[np.ndarray],
    image_size: int = 224,
    workers: int = 0,
    data_format: str = "channels_last",
) -> Iterator[Batch]:
    """Images and labels of each batch; see `odconv_training.Trainer.answers`."""

    def load(index: int) -> np.ndarray:
        return evaluation(samples.open(index), image_size)

    return _loaded(Batches(samples, batches, load, data_format, workers), workers)


def _loaded(dataset: Batches, workers: int) -> Iterator[Batch]:
    """The batches in order, some of them ahead; Keras has its own queue inside of `fit` only."""
    if workers == 0:
        yield from (dataset[index] for index in range(len(dataset)))
        return
    # Threads, because PIL decodes and resizes outside of the interpreter's lock.
    with ThreadPoolExecutor(workers) as pool:
        waiting: list[Future[Any]] = []
        try:
            for index in range(len(dataset)):
                waiting.append(pool.submit(dataset.__getitem__, index))
                if len(waiting) > _AHEAD * workers:
                    yield waiting.pop(0).result()
            while waiting:
                yield waiting.pop(0).result()
        finally:
            for future in waiting:
                future.cancel()


def _formatted(images: np.ndarray, channels: int, data_format: str) -> np.ndarray:
    """Images whose channels are on axis `channels`, in the data format and contiguous."""
    target = -1 if data_format == "channels_last" else 1
    return np.ascontiguousarray(np.moveaxis(images, channels, target))
