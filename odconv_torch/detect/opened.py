"""A detector from its checkpoint file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from odconv_spec.detectors import ARITHMETIC, DetectorSpec
from odconv_torch.detect.build import build_detector
from odconv_training import TrainingError
from odconv_training.detection.coco import Category
from odconv_training.detection.options import Network
from odconv_training.detection.recipes import Detector
from odconv_training.progress import Progress
from weights_converter.arrays.tensor import Checkpoint
from weights_converter.errors import legible
from weights_converter.formats.files.open_files import kept_open
from weights_converter.identify.detectors import infer_detector
from weights_converter.identify.open_model import open_checkpoint
from weights_converter.live.loading import load_checkpoint

_KINDS = {"faster_rcnn": "faster", "mask_rcnn": "mask"}


@dataclass(frozen=True)
class Opened:
    """A detector in evaluation mode.

    Attributes:
        model: with the arrays of the file.
        network: what it is.
        named: whether the file says which categories it knows; else they are numbered from 1.
    """

    model: nn.Module
    network: Network
    named: bool


def open_detector(
    path: Path, device: torch.device, arithmetic: str | None = None, **sizes: int | None
) -> Opened:
    """The detector of a checkpoint of `python -m odconv_torch.detect train`, or of other code.

    Args:
        path: of the checkpoint, with the names of torchvision, mmdetection or PaddleDetection in
            any format of the converter. Where it does not say so, images are of 800 to 1333 pixels.
        device: where it is to compute.
        arithmetic: whose anchors and RoIAlign it was trained with, where the file does not say so;
            by default mmdetection's, as the published ones.
        **sizes: `min_size` and `max_size` of images in place of those, unless None.

    Returns:
        The detector and its description.

    Raises:
        TrainingError: the file is of another network than a detector, or says that it was trained
            with another arithmetic.
        ConverterError: it is damaged, or its arrays are not those of its description.
        OSError: it cannot be read.
    """
    with kept_open():
        checkpoint = open_checkpoint(path)
        text = checkpoint.scalars.get("odconv")
        if text is not None:
            network = Network.from_json(Progress.from_json(str(text)).spec)
        else:
            network = _inferred(checkpoint, arithmetic or ARITHMETIC[0])
        _check_arithmetic(path, arithmetic, network)
        given: dict[str, Any] = {name: size for name, size in sizes.items() if size is not None}
        network = replace(network, detector=replace(network.detector, **given))
        model = build_detector(network)
        load_checkpoint(model, checkpoint, cast=True)
    return Opened(model.to(device).eval(), network, text is not None)


def _check_arithmetic(path: Path, asked: str | None, network: Network) -> None:
    told = network.detector.arithmetic
    if asked not in (None, told):
        raise TrainingError(
            f"{legible(path.name)} was trained with the anchors and the RoIAlign of {told}, "
            f"received --arithmetic {asked}; leave it out"
        )


def _inferred(checkpoint: Checkpoint, arithmetic: str) -> Network:
    spec: DetectorSpec | None = infer_detector(checkpoint)
    if spec is None:
        name = legible(str(checkpoint.path))
        raise TrainingError(f"expected a checkpoint of a detector, received {name} of none")
    categories = tuple(Category(n, f"class {n}") for n in range(1, spec.num_classes + 1))
    detector = Detector(
        _KINDS[spec.task],
        spec.out_channels,
        arithmetic=arithmetic,
        maps=spec.maps,
        mask_channels=spec.mask_channels,
    )
    return Network(spec.body, detector, categories)
