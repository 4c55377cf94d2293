"""The detectors of the ODConv paper: parameters without a framework, names, class order."""

from __future__ import annotations

import json
from math import prod

import numpy as np
import pytest

from odconv_spec import UnexplainedError, from_json, model_spec
from odconv_spec.detectors import (
    CODES,
    DetectorSpec,
    code_of,
    detector_from_arrays,
    heads_of,
    in_other_order,
    network_from_json,
    network_to_json,
)
from tests.detectors import golden

RELEASE = {  # https://github.com/OSVAI/ODConv/tree/main/object_detection, in millions
    ("faster_rcnn", "resnet50", 1): 43.80,
    ("faster_rcnn", "od_resnet50", 4): 108.92,  # 108.9159, which the table there has cut to 108.91
    ("faster_rcnn", "mobilenetv2_100", 1): 21.13,
    ("faster_rcnn", "od_mobilenetv2_100", 4): 29.14,
    ("mask_rcnn", "resnet50", 1): 46.45,
    ("mask_rcnn", "od_resnet50", 4): 111.56,
    ("mask_rcnn", "mobilenetv2_100", 1): 23.78,
    # 31.80 there. The mask head has 2.64 M in the other three pairs, and 29.14 + 2.64 is this.
    ("mask_rcnn", "od_mobilenetv2_100", 4): 31.78,
}


def detector(task, name, kernels=1, **options):
    kind = {"kernel_num": kernels} if name.startswith("od_") else {}
    return DetectorSpec(task, model_spec(name, **kind), **options)


@pytest.mark.parametrize(("task", "name", "kernels"), RELEASE)
def test_parameters_of_the_release(task, name, kernels):
    """They count the classifier of the body, too, which the detectors never use."""
    spec = detector(task, name, kernels, code="mmdetection")
    classifier = sum(prod(p.shape) for p in spec.body.head_parameters())
    millions = (spec.trainable_count() + classifier) / 1e6
    assert round(millions, 2) == RELEASE[task, name, kernels]


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("task", ["faster_rcnn", "mask_rcnn"])
def test_every_array_has_one_name_and_shows_its_detector(task, code):
    spec = detector(
        task, "od_mobilenetv2_050", num_classes=7, out_channels=6, mask_channels=10, code=code
    )
    shapes = {p.name: p.shape for p in spec.parameters()}
    assert len(shapes) == len(spec.parameters())
    heads = heads_of(shapes)
    assert (heads.code.name, heads.task, heads.num_classes) == (code, task, 7)
    found = detector_from_arrays(shapes, heads, spec.body)
    assert found.parameters() == spec.parameters()
    assert (found.mask_channels == 10) == (task == "mask_rcnn")
    assert network_from_json(network_to_json(found)) == found


def test_a_backbone_is_no_detector():
    spec = model_spec("od_resnet18")
    assert code_of([p.name for p in spec.parameters()]) is None
    assert network_from_json(network_to_json(spec)) == spec
    with pytest.raises(ValueError, match="family"):
        from_json(network_to_json(detector("mask_rcnn", "od_resnet18")))


def test_names_and_shapes_of_mmdetection():
    """As its own code gave them, see parity_tests/golden/README.md."""
    shapes = {name: tuple(shape) for name, shape in json.loads(str(golden()["names"])).items()}
    spec = detector("mask_rcnn", "od_resnet18", 2, num_classes=3, code="mmdetection")
    assert {p.name: p.shape for p in spec.parameters()} == shapes


def test_names_of_paddledetection():
    """As https://github.com/PaddlePaddle/PaddleDetection has them in ppdet/modeling."""
    spec = detector("mask_rcnn", "od_resnet18", 2, num_classes=3, code="paddledetection")
    heads = [p.parameter.name for p in spec.pieces() if p.part != "body"]
    assert [name.removesuffix(".weight") for name in heads if name.endswith("weight")] == [
        *(f"neck.fpn_inner_res{stage}_sum_lateral" for stage in (2, 3, 4)),
        "neck.fpn_inner_res5_sum",
        *(f"neck.fpn_res{stage}_sum" for stage in (2, 3, 4, 5)),
        "rpn_head.rpn_feat.rpn_conv",
        "rpn_head.rpn_rois_score",
        "rpn_head.rpn_rois_delta",
        "bbox_head.head.fc6",
        "bbox_head.head.fc7",
        "bbox_head.bbox_score",
        "bbox_head.bbox_delta",
        *(f"mask_head.head.upsample.mask_inter_feat_{number}" for number in (1, 2, 3, 4)),
        "mask_head.head.upsample.conv5_mask",
        "mask_head.mask_fcn_logits",
    ]


def test_forty_two_arrays_of_heads():
    """Of Mask R-CNN, as the three codes have them."""
    for code in CODES:
        spec = detector("mask_rcnn", "od_resnet18", 2, num_classes=3, code=code)
        parts = [piece.part for piece in spec.pieces()]
        assert len(parts) - parts.count("body") == 42
        body = [p.name for p in spec.body_parameters()]
        assert not [name for name in body if name.startswith("fc.")]


def test_the_body_ends_where_its_last_map_is_made():
    spec = DetectorSpec("faster_rcnn", model_spec("od_resnet18"), maps=(1, 2))
    blocks = {p.name.partition(".")[0] for p in spec.body_parameters()}
    assert blocks == {"conv1", "bn1", "layer1", "layer2"}
    mobile = DetectorSpec("faster_rcnn", model_spec("od_mobilenetv2_050"), maps=(1, 4))
    assert [info.channels for info in mobile.feature_info()] == [16, 160]
    places = {int(p.name.split(".")[1]) for p in mobile.body_parameters()}
    assert places == set(range(18))  # all but the map that the classifier pools


@pytest.mark.parametrize("part", ["scores", "boxes", "masks", "first"])
@pytest.mark.parametrize("source", CODES)
@pytest.mark.parametrize("target", CODES)
def test_classes_are_in_the_order_of_the_code(part, source, target):
    classes = 3

    def rows(code):
        """Names of the rows, b for the background."""
        names = [f"{part}{i}" for i in range(classes) for _ in range(4 if part == "boxes" else 1)]
        more = ["b"] * (4 if part == "boxes" else 1)
        where = CODES[code].background.get(part)
        return {"first": more + names, "last": names + more, None: names}[where]

    move = in_other_order(part, source, target, classes)
    if part == "first" or move is None:
        assert part == "first" or rows(source) == rows(target)
        return
    array = np.array(rows(source))
    moved = [np.array(["b"] * move.zeros), *(array[rows] for rows in move.slices)]
    assert list(np.concatenate(moved)) == rows(target)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "retinanet"}, "task: expected .*mask_rcnn.*'retinanet'"),
        ({"num_classes": 0}, "num_classes.*0"),
        ({"code": "detectron2"}, "code: expected .*torchvision.*'detectron2'"),
        ({"maps": (1, 2, 6)}, r"out_indices: expected .*4 \(layer4\).*received \(1, 2, 6\)"),
        ({"out_channels": 1.5}, "out_channels"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        DetectorSpec(**{"task": "mask_rcnn", "body": model_spec("od_resnet18"), **options})


@pytest.mark.parametrize(
    "text",
    [
        '{"detector": "mask_rcnn"}',
        '{"detector": "mask_rcnn", "body": {}, "maps": [], "x": 1}',
        "[]",
    ],
)
def test_texts_that_are_no_detector(text):
    with pytest.raises(ValueError, match=r"expected|a detector has the fields|a model spec"):
        network_from_json(text)


def test_a_pyramid_on_other_maps():
    spec = detector("mask_rcnn", "od_resnet18", 2)
    shapes = {p.name: p.shape for p in spec.parameters()}
    with pytest.raises(UnexplainedError, match=r"maps of \[64, 128, 256, 512\] channels; resnet50"):
        detector_from_arrays(shapes, heads_of(shapes), model_spec("resnet50"))
    without = {name: shape for name, shape in shapes.items() if ".fpn." not in name}
    with pytest.raises(UnexplainedError, match="without a feature pyramid"):
        detector_from_arrays(without, heads_of(shapes), spec.body)
