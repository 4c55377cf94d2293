"""Faster and Mask R-CNN with the published settings."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from inspect import signature
from typing import Any, Final, TypeVar

from torchvision.models.detection import FasterRCNN, MaskRCNN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor
from torchvision.ops import MultiScaleRoIAlign

from odconv_spec import BackboneSpec, model_spec
from odconv_spec.detectors import ARITHMETIC, detector_maps
from odconv_spec.feature_maps import OutIndices
from odconv_spec.geometry import one_of, whole
from odconv_torch.detection.align import AdaptiveAlign
from odconv_torch.detection.anchors import RoundedAnchors, StrideAnchors
from odconv_torch.detection.precision import ExactAlign, ExactHead, ExactPredictor
from odconv_torch.detection.pyramid import PyramidBody, keep_as_published
from odconv_torch.models import Features, build_model
from odconv_torch.models.backbone import Backbone

Body = str | BackboneSpec | Backbone | Features
Detector = TypeVar("Detector", FasterRCNN, MaskRCNN)

# Those of https://github.com/OSVAI/ODConv/tree/main/object_detection, under torchvision's names.
PUBLISHED: Final[Mapping[str, Any]] = {
    "min_size": 800,
    "max_size": 1333,
    "rpn_pre_nms_top_n_train": 2000,
    "rpn_pre_nms_top_n_test": 1000,
    "rpn_post_nms_top_n_train": 1000,
    "rpn_post_nms_top_n_test": 1000,
    "rpn_nms_thresh": 0.7,
    "rpn_fg_iou_thresh": 0.7,
    "rpn_bg_iou_thresh": 0.3,
    "rpn_batch_size_per_image": 256,
    "rpn_positive_fraction": 0.5,
    "box_score_thresh": 0.05,
    "box_nms_thresh": 0.5,
    "box_detections_per_img": 100,
    "box_fg_iou_thresh": 0.5,
    "box_bg_iou_thresh": 0.5,
    "box_batch_size_per_image": 512,
    "box_positive_fraction": 0.25,
}


def faster_rcnn(
    body: Body,
    num_classes: int,
    *,
    maps: OutIndices = None,
    out_channels: int = 256,
    frozen_stages: int | None = 1,
    norm_eval: bool = True,
    temperature: float = 1.0,
    arithmetic: str = "mmdetection",
    **options: Any,
) -> FasterRCNN:
    """Faster R-CNN with a feature pyramid, https://arxiv.org/abs/1612.03144.

    In training mode, too, the stages up to `frozen_stages` stay as they are, and all batch norms of
    the body keep their statistics: those of the attentions are among them.

    Args:
        body: name or spec of a network, or the network itself, or its `Features`. Its classifier is
            left out.
        num_classes: of objects, without the background.
        maps: which maps of the body the pyramid takes, see `Features`; by default those of the
            published detectors, of strides 4 to 32, in MobileNetV2 with the last of 1280 channels.
        out_channels: of the pyramid.
        frozen_stages: the last stage that does not train, None for none.
        norm_eval: whether the batch norms keep their statistics.
        temperature: of the attentions. The paper found no use in annealing it here.
        arithmetic: whose anchors and RoIAlign, "mmdetection" or "torchvision". Weights that were
            trained with one of them give other boxes with the other.
        **options: of `torchvision.models.detection.FasterRCNN`, such as `min_size`.

    Returns:
        The detector with random weights but the body's, in training mode. It takes a list of images
        (3, height, width) from 0 to 1, and counts classes from 1.

    Raises:
        ValueError: an option is out of range, or the body has no such map.

    Example:
        >>> import torch
        >>> detector = faster_rcnn("od_resnet18", num_classes=3, min_size=64).eval()
        >>> found = detector([torch.rand(3, 64, 96)])[0]
        >>> sorted(found)
        ['boxes', 'labels', 'scores']
    """
    pyramid = _pyramid(body, maps, out_channels, frozen_stages, norm_eval, temperature)
    return _detector(FasterRCNN, pyramid, num_classes, arithmetic, {}, options)


def mask_rcnn(
    body: Body,
    num_classes: int,
    *,
    maps: OutIndices = None,
    out_channels: int = 256,
    frozen_stages: int | None = 1,
    norm_eval: bool = True,
    temperature: float = 1.0,
    arithmetic: str = "mmdetection",
    **options: Any,
) -> MaskRCNN:
    """Mask R-CNN with a feature pyramid, https://arxiv.org/abs/1703.06870.

    Args:
        body: see `faster_rcnn`.
        num_classes: of objects, without the background.
        maps: see `faster_rcnn`.
        out_channels: of the pyramid.
        frozen_stages: see `faster_rcnn`.
        norm_eval: see `faster_rcnn`.
        temperature: of the attentions.
        arithmetic: see `faster_rcnn`.
        **options: of `torchvision.models.detection.MaskRCNN`.

    Returns:
        The detector with random weights but the body's, in training mode.

    Raises:
        ValueError: an option is out of range, or the body has no such map.

    Example:
        >>> import torch
        >>> detector = mask_rcnn("od_resnet18", num_classes=3, min_size=64).eval()
        >>> found = detector([torch.rand(3, 64, 96)])[0]
        >>> sorted(found)
        ['boxes', 'labels', 'masks', 'scores']
    """
    pyramid = _pyramid(body, maps, out_channels, frozen_stages, norm_eval, temperature)
    pool = {"mask_roi_pool": 14}
    return _detector(MaskRCNN, pyramid, num_classes, arithmetic, pool, options)


def _pyramid(
    body: Body,
    maps: OutIndices,
    out_channels: int,
    frozen_stages: int | None,
    norm_eval: bool,
    temperature: float,
) -> PyramidBody:
    """The body with its pyramid, frozen as it is to stay."""
    features = _features(body, maps)
    features.set_temperature(temperature)
    keep_as_published(features, frozen_stages, norm_eval)
    return PyramidBody(features, whole("out_channels", out_channels, 1))


def _features(body: Body, maps: OutIndices) -> Features:
    if isinstance(body, Features):
        if maps is not None:
            raise ValueError(
                f"maps: expected None beside Features, which have chosen theirs, received {maps!r}"
            )
        return body
    if isinstance(body, str):
        body = model_spec(body)
    if isinstance(body, BackboneSpec):
        body = build_model(body)
    if not isinstance(body, Backbone):
        raise ValueError(
            "body: expected a model's name, its spec, a network of odconv_torch.create_model or "
            f"its Features, received {type(body).__name__}"
        )
    return Features(body, detector_maps(body.spec) if maps is None else maps)


def _detector(
    kind: type[Detector],
    pyramid: PyramidBody,
    num_classes: int,
    arithmetic: str,
    more_pools: Mapping[str, int],
    options: Mapping[str, Any],
) -> Detector:
    one_of("arithmetic", arithmetic, ARITHMETIC)
    whole("num_classes", num_classes, 1)
    _check_options(kind, options)
    exact = arithmetic == "mmdetection"
    strides = pyramid.strides
    anchors = options.get("rpn_anchor_generator") or (
        StrideAnchors(strides) if exact else RoundedAnchors(strides)
    )
    each = anchors.num_anchors_per_location()[0]
    parts = {"rpn_anchor_generator": anchors, "rpn_head": ExactHead(pyramid.out_channels, each)}
    for name, size in {"box_roi_pool": 7, **more_pools}.items():
        parts[name] = _pool(strides[:-1], size, exact)
    detector = kind(pyramid, num_classes + 1, **{**PUBLISHED, **parts, **options})
    if type(detector.roi_heads.box_predictor) is FastRCNNPredictor:
        detector.roi_heads.box_predictor = ExactPredictor(detector.roi_heads.box_predictor)
    return detector


def _check_options(kind: type[FasterRCNN], options: Mapping[str, Any]) -> None:
    """torchvision itself takes any name, and looks at those it knows."""
    known = set(signature(kind).parameters) - {"backbone", "num_classes", "kwargs"}
    for name in options.keys() - known - {"_skip_resize"}:
        near = get_close_matches(name, known, n=1)
        raise ValueError(
            f"{name}: expected an option of torchvision's {kind.__name__}, received one that it "
            f"does not have; {f'did you mean {near[0]}?' if near else 'its documentation has them'}"
        )


def _pool(strides: tuple[int, ...], size: int, exact: bool) -> MultiScaleRoIAlign:
    """What cuts boxes out of all maps but the last, which is for the proposals alone."""
    if exact:
        return AdaptiveAlign(strides, size)
    return ExactAlign([str(i) for i in range(len(strides))], size, sampling_ratio=2)
