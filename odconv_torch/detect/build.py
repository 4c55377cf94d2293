"""A detector from its description."""

from __future__ import annotations

from typing import cast

from torch import nn
from torchvision.models.detection import FasterRCNN, MaskRCNN
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor

from odconv_torch.detection import PyramidBody, faster_rcnn, mask_rcnn
from odconv_torch.models import Features
from odconv_training.detection.options import Network

_MASK_LAYERS = 4


def build_detector(network: Network) -> FasterRCNN:
    """The detector with random weights, of which nothing is frozen.

    Args:
        network: its body, what stands on it, and its categories.

    Returns:
        A detector in training mode.

    Raises:
        ValueError: the body has no maps for a pyramid.
    """
    detector, classes = network.detector, len(network.categories)
    build = mask_rcnn if detector.masks else faster_rcnn
    model = build(
        network.spec,
        classes,
        maps=detector.maps or None,
        arithmetic=detector.arithmetic,
        out_channels=detector.channels,
        frozen_stages=None,
        norm_eval=False,
        min_size=detector.min_size,
        max_size=detector.max_size,
        box_batch_size_per_image=detector.rois,
    )
    if detector.masks:
        width = detector.mask_channels or detector.channels
        _fit_masks(cast(MaskRCNN, model), detector.channels, width, classes)
    return model


def _fit_masks(model: MaskRCNN, channels: int, width: int, classes: int) -> None:
    """Gives the head of masks its width, which is that of the pyramid as published, 256."""
    model.roi_heads.mask_head = MaskRCNNHeads(channels, (width,) * _MASK_LAYERS, 1)
    model.roi_heads.mask_predictor = MaskRCNNPredictor(width, width, classes + 1)


def body_of(model: nn.Module) -> Features:
    """The body of a detector that `build_detector` has made."""
    return cast(PyramidBody, cast(FasterRCNN, model).backbone).body
