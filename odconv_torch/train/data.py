"""Batches by torch's DataLoader; images of a folder by torchvision's transforms."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import DataLoader, Dataset

from odconv_training import MEAN, STD, CorruptImageError, Samples, TrainingError, sample_seed

Transform = Callable[[Any], torch.Tensor]  # from an image of PIL
Batches = Sequence[npt.NDArray[np.int64]]
Batch = tuple[torch.Tensor, torch.Tensor]  # (batch, 3, height, width) and (batch,)
B = TypeVar("B")


def training_batches(
    samples: Samples,
    batches: Batches,
    seed: int,
    epoch: int,
    image_size: int = 224,
    workers: int = 0,
) -> Iterator[Batch]:
    """Images and labels of each batch; see `odconv_training.Trainer.batches`."""
    if samples.images is not None:
        return loaded(Prepared(samples.images, samples.labels), batches, workers)
    return loaded(Files(samples, augmentation(image_size), (seed, epoch)), batches, workers)


def evaluation_batches(
    samples: Samples, batches: Batches, image_size: int = 224, workers: int = 0
) -> Iterator[Batch]:
    """Images and labels of each batch; see `odconv_training.Trainer.answers`."""
    if samples.images is not None:
        return loaded(Prepared(samples.images, samples.labels), batches, workers)
    return loaded(Files(samples, evaluation(image_size)), batches, workers)


class Prepared(Dataset[Batch]):
    """Whole batches of images that are arrays already."""

    def __init__(self, images: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> None:
        self.images = torch.from_numpy(images)  # (count, 3, height, width)
        self.labels = torch.from_numpy(labels)  # (count,)

    def __getitems__(self, indices: npt.NDArray[np.int64]) -> Batch:
        chosen = torch.from_numpy(indices)
        return self.images[chosen], self.labels[chosen]


class Files(Dataset[Batch]):
    """Whole batches of images that are read from files and transformed.

    Args:
        samples: where the files are.
        transform: of an image of PIL.
        seed_epoch: from which each image's random numbers follow; None draws none.
    """

    def __init__(
        self, samples: Samples, transform: Transform, seed_epoch: tuple[int, int] | None = None
    ) -> None:
        self.samples = samples
        self.transform = transform
        self.seed_epoch = seed_epoch

    def __getitems__(self, indices: npt.NDArray[np.int64]) -> Batch | CorruptImageError:
        try:
            images = torch.stack([self._image(int(index)) for index in indices])
        except CorruptImageError as error:
            # Raised in a worker, it would come back with the worker's traceback as its message.
            return error
        return images, torch.from_numpy(self.samples.labels[indices])

    def _image(self, index: int) -> torch.Tensor:
        image = self.samples.open(index)
        if self.seed_epoch is None:
            return self.transform(image)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(sample_seed(*self.seed_epoch, index))
            return self.transform(image)


def augmentation(image_size: int) -> Transform:
    """Random resized crop and flip, as in the recipes of the papers."""
    v2 = transforms_v2()
    bilinear = v2.InterpolationMode.BILINEAR
    random = [
        v2.RandomResizedCrop(image_size, interpolation=bilinear, antialias=True),
        v2.RandomHorizontalFlip(),
    ]
    return v2.Compose([*random, *_to_tensor(v2)])


def evaluation(image_size: int) -> Transform:
    """Resize of the shorter side to 8/7 (256 for 224), centre crop, normalisation."""
    v2 = transforms_v2()
    resize = v2.Resize(
        round(image_size * 256 / 224),
        interpolation=v2.InterpolationMode.BILINEAR,
        antialias=True,
    )
    return v2.Compose([resize, v2.CenterCrop(image_size), *_to_tensor(v2)])


def _to_tensor(v2: ModuleType) -> list[torch.nn.Module]:
    return [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]


def transforms_v2() -> ModuleType:
    """torchvision's transforms, which only folders of images need.

    Raises:
        TrainingError: torchvision is missing.
    """
    try:
        from torchvision.transforms import v2
    except ImportError as error:
        raise TrainingError(
            f"images need torchvision, which cannot be imported ({error}): pip install torchvision"
        ) from error
    return v2


def loaded(images: Dataset[B], batches: Batches, workers: int) -> Iterator[B]:
    """What `images.__getitems__` gives for each batch of indices; an error is raised here."""
    loader = DataLoader(
        images,
        batch_sampler=batches,  # type: ignore[arg-type]  # arrays of indices do as well
        num_workers=workers,
        collate_fn=_as_it_is,
        pin_memory=torch.cuda.is_available(),
    )
    for batch in loader:
        if isinstance(batch, CorruptImageError):
            raise batch
        yield batch


def _as_it_is(batch: B | CorruptImageError) -> B | CorruptImageError:
    return batch
