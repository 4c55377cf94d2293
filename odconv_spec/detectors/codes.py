"""What each code calls the layers of a detector, and where it keeps the background.

A name may have three numbers: {0} of the layer from 0, {1} from 1, and {stage}, where the last
lateral convolution of a pyramid is of stage 5, whatever the number of maps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

ARITHMETIC: Final = ("mmdetection", "torchvision")
"""Whose anchors and RoIAlign a detector computes with; the first is that of the published ones."""


@dataclass(frozen=True)
class Code:
    """The names and the class order of one code.

    Attributes:
        name: short, as the user gives it.
        title: with the source.
        layers: part of a detector -> path of its layer.
        background: part with a row for each class -> "first" or "last", where the code has rows of
            the background there; a part that is missing has none.

    Example:
        >>> code = CODES["mmdetection"]
        >>> code.path("scores"), code.background["scores"]
        ('roi_head.bbox_head.fc_cls', 'last')
    """

    name: str
    title: str
    layers: Mapping[str, str]
    background: Mapping[str, str] = field(default_factory=dict)

    def path(self, part: str, number: int = 0, of: int = 1) -> str:
        """The path of a layer, the `number`-th from 0 of so many of its part.

        Returns:
            The path, without the name of an array.

        Example:
            >>> CODES["mmdetection"].path("lateral", 2, of=4)
            'neck.lateral_convs.2.conv'
            >>> CODES["paddledetection"].path("lateral", 2, of=4)
            'neck.fpn_inner_res4_sum_lateral'
        """
        last = f"last_{part}"
        part = last if number == of - 1 and last in self.layers else part
        return self.layers[part].format(number, number + 1, stage=6 - of + number)


# https://github.com/pytorch/vision/tree/main/torchvision/models/detection, the body being the
# `Features` of odconv_torch.
TORCHVISION = Code(
    "torchvision",
    "torchvision, https://github.com/pytorch/vision",
    {
        "body": "backbone.body.backbone",
        "lateral": "backbone.fpn.inner_blocks.{0}.0",
        "smooth": "backbone.fpn.layer_blocks.{0}.0",
        "rpn": "rpn.head.conv.0.0",
        "objectness": "rpn.head.cls_logits",
        "proposals": "rpn.head.bbox_pred",
        "first": "roi_heads.box_head.fc6",
        "second": "roi_heads.box_head.fc7",
        "scores": "roi_heads.box_predictor.cls_score",
        "boxes": "roi_heads.box_predictor.bbox_pred",
        "mask": "roi_heads.mask_head.{0}.0",
        "upsample": "roi_heads.mask_predictor.conv5_mask",
        "masks": "roi_heads.mask_predictor.mask_fcn_logits",
    },
    {"scores": "first", "boxes": "first", "masks": "first"},
)
MMDETECTION = Code(
    "mmdetection",
    "mmdetection, https://github.com/OSVAI/ODConv/tree/main/object_detection",
    {
        "body": "backbone",
        "lateral": "neck.lateral_convs.{0}.conv",
        "smooth": "neck.fpn_convs.{0}.conv",
        "rpn": "rpn_head.rpn_conv",
        "objectness": "rpn_head.rpn_cls",
        "proposals": "rpn_head.rpn_reg",
        "first": "roi_head.bbox_head.shared_fcs.0",
        "second": "roi_head.bbox_head.shared_fcs.1",
        "scores": "roi_head.bbox_head.fc_cls",
        "boxes": "roi_head.bbox_head.fc_reg",
        "mask": "roi_head.mask_head.convs.{0}.conv",
        "upsample": "roi_head.mask_head.upsample",
        "masks": "roi_head.mask_head.conv_logits",
    },
    {"scores": "last"},
)
# The body is the `Features` of odconv_paddle in the attribute `body` of a registered backbone.
PADDLEDETECTION = Code(
    "paddledetection",
    "PaddleDetection, https://github.com/PaddlePaddle/PaddleDetection",
    {
        "body": "backbone.body",
        "lateral": "neck.fpn_inner_res{stage}_sum_lateral",
        "last_lateral": "neck.fpn_inner_res{stage}_sum",
        "smooth": "neck.fpn_res{stage}_sum",
        "rpn": "rpn_head.rpn_feat.rpn_conv",
        "objectness": "rpn_head.rpn_rois_score",
        "proposals": "rpn_head.rpn_rois_delta",
        "first": "bbox_head.head.fc6",
        "second": "bbox_head.head.fc7",
        "scores": "bbox_head.bbox_score",
        "boxes": "bbox_head.bbox_delta",
        "mask": "mask_head.head.upsample.mask_inter_feat_{1}",
        "upsample": "mask_head.head.upsample.conv5_mask",
        "masks": "mask_head.mask_fcn_logits",
    },
    {"scores": "last"},
)
CODES: Final[Mapping[str, Code]] = {
    code.name: code for code in (TORCHVISION, MMDETECTION, PADDLEDETECTION)
}
"""The codes whose names of a detector's arrays are known, by the name that `--names` has."""
