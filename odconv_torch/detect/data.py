"""Images with their objects, as torchvision's detectors take them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch.utils.data import Dataset

from odconv_torch.train.data import Batches, loaded
from odconv_training import CorruptImageError, sample_seed
from odconv_training.detection.coco import Annotation
from odconv_training.detection.regions import mask_of
from odconv_training.detection.samples import Annotated

Target = dict[str, torch.Tensor]
# Images (3, height, width) from 0 to 1 of any sizes, and what is to be found in each.
Batch = tuple[list[torch.Tensor], list[Target]]


def training_batches(
    samples: Annotated, batches: Batches, seed: int, epoch: int, masks: bool, workers: int = 0
) -> Iterator[Batch]:
    """Images and objects of each batch, half of them mirrored.

    Whether one is follows from the seed, the epoch and its index alone. Resizing, normalising and
    padding to 32 is the detector's own.
    """
    return loaded(Scenes(samples, masks, (seed, epoch)), batches, workers)


def evaluation_batches(samples: Annotated, batches: Batches, workers: int = 0) -> Iterator[Batch]:
    """Images of each batch as they are, without objects."""
    return loaded(Scenes(samples), batches, workers)


class Scenes(Dataset[Batch]):
    """Whole batches of images that are read from files.

    Args:
        samples: where the files are, and the objects.
        masks: whether the objects have masks.
        seed_epoch: from which it follows whether an image is mirrored; None is for evaluation.
    """

    def __init__(
        self, samples: Annotated, masks: bool = False, seed_epoch: tuple[int, int] | None = None
    ) -> None:
        self.samples = samples
        self.masks = masks
        self.seed_epoch = seed_epoch

    def __getitems__(self, indices: np.ndarray) -> Batch | CorruptImageError:
        try:
            pairs = [self._pair(int(index)) for index in indices]
        except CorruptImageError as error:
            # Raised in a worker, it would come back with the worker's traceback as its message.
            return error
        return [image for image, _ in pairs], [target for _, target in pairs]

    def _pair(self, index: int) -> tuple[torch.Tensor, Target]:
        pixels = np.array(self.samples.open(index))  # (height, width, 3)
        image = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255  # (3, height, width)
        if self.seed_epoch is None:
            return image, {}
        height, width = image.shape[1:]
        target = _target(self.samples.objects(index), height, width, self.masks)
        if sample_seed(*self.seed_epoch, index) % 2:
            return image.flip(2), _mirrored(target, width)
        return image, target


def _target(objects: list[Annotation], height: int, width: int, masks: bool) -> Target:
    """Labels from 1, as 0 is the background's."""
    sides = torch.tensor([one.box for one in objects])  # (objects, 4)
    corners = torch.cat([sides[:, :2], sides[:, :2] + sides[:, 2:]], dim=1)
    target = {"boxes": corners, "labels": torch.tensor([one.label + 1 for one in objects])}
    if masks:
        regions = (one.region for one in objects if one.region is not None)
        planes = [torch.from_numpy(mask_of(region, height, width)) for region in regions]
        target["masks"] = torch.stack(planes)  # (objects, height, width) of 0 and 1
    return target


def _mirrored(target: Target, width: int) -> Target:
    left, top, right, bottom = target["boxes"].unbind(1)
    mirrored = {"boxes": torch.stack([width - right, top, width - left, bottom], dim=1)}
    if "masks" in target:
        mirrored["masks"] = target["masks"].flip(2)
    return {**target, **mirrored}
