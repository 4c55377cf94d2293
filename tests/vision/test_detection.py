"""Faster and Mask R-CNN on our bodies: what is built, what stays frozen, what trains."""

from __future__ import annotations

import copy

import pytest
import torch
import torchvision.models.detection as published
from torch import nn
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import MultiScaleRoIAlign, roi_align

from odconv_spec import model_spec
from odconv_torch import Features, create_model
from odconv_torch import detection as package
from odconv_torch.detection import AdaptiveAlign, StrideAnchors, faster_rcnn, mask_rcnn
from odconv_torch.detection.anchors import RoundedAnchors
from odconv_torch.layers.temperature import temperatures
from tests.examples import check_examples

STAGES = [[8, 1], [12, 1], [16, 1], [20, 1]]
SMALL = {
    "out_channels": 16,
    "min_size": 64,
    "max_size": 96,
    "rpn_pre_nms_top_n_train": 50,
    "rpn_post_nms_top_n_train": 30,
    "box_batch_size_per_image": 16,
}


def spec(name="od_resnet18", **options):
    stages = {"stages": STAGES, "stem_channels": 6} if "resnet" in name else {}
    return model_spec(name, **stages, **options)


def batch():
    """Images of two sizes with two boxes each, and their masks."""
    torch.manual_seed(0)
    images = [torch.rand(3, 64, 96), torch.rand(3, 80, 70)]
    boxes = torch.tensor([[4.0, 6.0, 40.0, 50.0], [20.0, 10.0, 60.0, 40.0]])
    targets = []
    for image in images:
        masks = torch.zeros(2, *image.shape[1:], dtype=torch.uint8)
        masks[0, 6:50, 4:40] = masks[1, 10:40, 20:60] = 1
        targets.append({"boxes": boxes.clone(), "labels": torch.tensor([1, 3]), "masks": masks})
    return images, targets


@pytest.mark.parametrize("build", [faster_rcnn, mask_rcnn])
def test_a_step_trains_what_is_not_frozen_and_keeps_what_is(build):
    torch.manual_seed(1)
    detector = build(spec(head_init="published", kernel_num=2), 3, **SMALL).train()
    before = copy.deepcopy(detector.state_dict())
    optimizer = torch.optim.SGD([p for p in detector.parameters() if p.requires_grad], 0.01)
    losses = detector(*batch())
    assert ("loss_mask" in losses) == (build is mask_rcnn)
    assert all(torch.isfinite(loss) for loss in losses.values())
    sum(losses.values()).backward()
    optimizer.step()
    moved = {n for n, x in detector.state_dict().items() if not torch.equal(x, before[n])}
    body = "backbone.body.backbone."
    frozen = tuple(f"{body}{part}." for part in ("conv1", "bn1", "layer1"))
    assert not [name for name in moved if name.startswith(frozen)]
    assert not [name for name in moved if name.endswith(("running_mean", "running_var"))]
    assert not [name for name in moved if name.endswith("num_batches_tracked")]
    for part in ("layer2.0.conv1.attention.bn.weight", "layer4.0.conv2.weight"):
        assert f"{body}{part}" in moved
    with torch.no_grad():
        found = detector.eval()(batch()[0])[1]
    assert set(found) == {"boxes", "labels", "scores"} | (
        {"masks"} if build is mask_rcnn else set()
    )


def test_what_is_frozen_stays_so_in_training_mode_and_in_a_copy():
    detector = copy.deepcopy(faster_rcnn(spec(), 3, **SMALL)).train()
    norms = [m for m in detector.backbone.body.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(norms) > 20 and not any(norm.training for norm in norms)
    free = faster_rcnn(spec(), 3, frozen_stages=None, norm_eval=False, **SMALL).train()
    norms = [m for m in free.modules() if isinstance(m, nn.BatchNorm2d)]
    assert all(norm.training for norm in norms)
    assert all(p.requires_grad for p in free.parameters())


def test_a_body_may_be_a_name_a_spec_a_network_or_its_features():
    backbone = create_model("od_resnet18", stages=STAGES, stem_channels=6)
    names = list(faster_rcnn(spec(), 3, **SMALL).state_dict())
    for body in (backbone, Features(backbone, range(1, 5))):
        detector = faster_rcnn(body, 3, **SMALL)
        assert list(detector.state_dict()) == names
        assert detector.backbone.body.backbone.layer1 is backbone.layer1
    mobile = faster_rcnn("od_mobilenetv2_050", 3, **SMALL)
    assert isinstance(mobile, published.FasterRCNN)
    assert [info.channels for info in mobile.backbone.body.feature_info] == [16, 16, 48, 1280]
    last = faster_rcnn("od_mobilenetv2_050", 3, **SMALL, maps=2).backbone
    assert [info.stride for info in last.body.feature_info] == [16, 32]
    assert last.strides == (16, 32, 64)


@pytest.mark.parametrize("arithmetic", ["mmdetection", "torchvision"])
def test_a_detector_in_half_precision_keeps_its_coordinates(arithmetic):
    torch.manual_seed(3)
    options = {"arithmetic": arithmetic, "box_score_thresh": 0.0, **SMALL}
    detector = mask_rcnn(spec(kernel_num=2), 3, **options).eval()
    images = [image.bfloat16() for image in batch()[0]]
    with torch.no_grad():
        wanted = detector([image.float() for image in images])
        found = detector.bfloat16()(images)
    for half, full, image in zip(found, wanted, images, strict=True):
        assert half["boxes"].dtype == half["scores"].dtype == torch.float32
        assert half["masks"].shape[2:] == image.shape[1:] and len(half["boxes"]) > 0
        assert (half["boxes"][:, 2:] > half["boxes"][:, :2]).all()
        assert half["scores"].max().item() == pytest.approx(full["scores"].max().item(), abs=0.03)


@pytest.mark.parametrize("build", [faster_rcnn, mask_rcnn])
def test_an_option_that_torchvision_does_not_know_is_an_error(build):
    with pytest.raises(ValueError, match=f"min_sizes: .*'s {published_name(build)}.* min_size[?]"):
        build(spec(), 3, **SMALL, min_sizes=64)


def published_name(build):
    return {faster_rcnn: "FasterRCNN", mask_rcnn: "MaskRCNN"}[build]


def test_the_published_settings():
    detector = mask_rcnn(spec(), 80)
    assert isinstance(detector, published.MaskRCNN)
    rpn, heads = detector.rpn, detector.roi_heads
    assert rpn._pre_nms_top_n == {"training": 2000, "testing": 1000}
    assert rpn._post_nms_top_n == {"training": 1000, "testing": 1000}
    assert (rpn.nms_thresh, heads.nms_thresh, heads.score_thresh) == (0.7, 0.5, 0.05)
    assert (rpn.fg_bg_sampler.batch_size_per_image, rpn.fg_bg_sampler.positive_fraction) == (
        256,
        0.5,
    )
    sampler = heads.fg_bg_sampler
    assert (sampler.batch_size_per_image, sampler.positive_fraction) == (512, 0.25)
    assert detector.transform.min_size == (800,) and detector.transform.max_size == 1333
    assert detector.backbone.strides == rpn.anchor_generator.strides == (4, 8, 16, 32, 64)
    assert heads.box_predictor.cls_score.out_features == 81  # with the background
    assert temperatures(detector) == {1.0}


def test_the_temperature():
    body = create_model("od_resnet18", stages=STAGES, stem_channels=6)
    body.set_temperature(30.0)
    assert temperatures(faster_rcnn(body, 3, **SMALL)) == {1.0}
    assert temperatures(faster_rcnn(body, 3, temperature=5.0, **SMALL)) == {5.0}


def test_torchvisions_own_arithmetic():
    detector = mask_rcnn(spec(), 3, arithmetic="torchvision", **SMALL)
    assert type(detector.rpn.anchor_generator) is RoundedAnchors
    assert detector.rpn.anchor_generator.sizes == ((32,), (64,), (128,), (256,), (512,))
    sizes = [(64 // stride, 96 // stride) for stride in (4, 8, 16, 32)]
    maps = {str(i): torch.rand(1, 16, *size) for i, size in enumerate(sizes)}
    boxes = [torch.tensor([[4.0, 6.0, 40.0, 50.0], [0.0, 0.0, 90.0, 64.0]])]
    for pool, size in (
        (detector.roi_heads.box_roi_pool, 7),
        (detector.roi_heads.mask_roi_pool, 14),
    ):
        theirs = MultiScaleRoIAlign(["0", "1", "2", "3"], size, sampling_ratio=2)
        assert torch.equal(pool(maps, boxes, [(64, 96)]), theirs(maps, boxes, [(64, 96)]))


@pytest.mark.parametrize("arithmetic", ["mmdetection", "torchvision"])
def test_coordinates_are_exact_in_half_precision(arithmetic):
    detector = faster_rcnn(spec(), 3, arithmetic=arithmetic, **SMALL).eval()
    images = ImageList(torch.rand(1, 3, 96, 160), [(96, 160)])
    anchors, proposals = [], []
    for on in (False, True):
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=on):
            maps = detector.backbone(images.tensors)
            assert (maps["0"].dtype == torch.bfloat16) is on
            anchors.append(detector.rpn.anchor_generator(images, list(maps.values()))[0])
            proposals.append(detector.rpn(images, maps)[0][0])
    assert torch.equal(*anchors) and anchors[1].dtype == torch.float32
    rounded = proposals[1].bfloat16().float()
    assert proposals[1].dtype == torch.float32 and not torch.equal(proposals[1], rounded)


def test_anchors_are_where_the_strides_are_and_not_rounded():
    maps = [torch.zeros(1, 1, 3, 5), torch.zeros(1, 1, 2, 3)]  # of odd sizes
    images = ImageList(torch.zeros(1, 3, 24, 40), [(24, 40)])
    (found,) = StrideAnchors((8, 16), scale=3.0)(images, maps)
    assert found.shape == (3 * (15 + 6), 4)
    tall, long = 24 * 2**0.5, 24 / 2**0.5
    corners = [[-tall / 2, -long / 2], [-12, -12], [-long / 2, -tall / 2]]  # of height over width
    expected = torch.tensor([[-x for x in c[:2]] for c in corners])
    torch.testing.assert_close(found[:3, 2:], expected)
    torch.testing.assert_close(found[:3, :2], -expected)
    torch.testing.assert_close(found[45 + 3 * 5, :2], found[45, :2] + torch.tensor([32.0, 16.0]))


def test_boxes_are_pooled_from_the_map_of_their_size():
    torch.manual_seed(0)
    maps = {
        "0": torch.rand(2, 4, 40, 56),
        "1": torch.rand(2, 4, 20, 28),
        "pool": torch.rand(2, 4, 9, 9),
    }
    boxes = [torch.tensor([[3.0, 5.0, 33.0, 95.0], [1.0, 2.0, 131.0, 119.0]]), torch.zeros(0, 4)]
    boxes.append(torch.tensor([[0.0, 0.0, 150.0, 100.0]]))
    maps = {name: torch.cat([y, y[:1]]) for name, y in maps.items()}
    found = AdaptiveAlign((4, 8), 7)(maps, boxes, [(160, 224)] * 3)
    assert found.shape == (3, 4, 7, 7)
    options = {"sampling_ratio": 0, "aligned": True}
    small = roi_align(maps["0"][:1], [boxes[0][:1]], 7, 1 / 4, **options)
    large = roi_align(maps["1"][2:], [boxes[2]], 7, 1 / 8, **options)
    torch.testing.assert_close(found[:1], small)
    torch.testing.assert_close(found[2:], large)
    assert AdaptiveAlign((4, 8), 7)(maps, [torch.zeros(0, 4)] * 3, []).shape == (0, 4, 7, 7)


@pytest.mark.parametrize(
    ("body", "options", "message"),
    [
        ("od_resnet18", {"maps": (1, 2, 7)}, r"out_indices: expected .*received \(1, 2, 7\)"),
        ("od_resnet18", {"frozen_stages": 9}, "freeze_stages: expected .*received 9"),
        ("od_resnet18", {"num_classes": 0}, "num_classes.*0"),
        ("od_resnet18", {"out_channels": 0}, "out_channels.*0"),
        ("od_resnet18", {"arithmetic": "mmcv"}, "arithmetic: expected .*mmdetection.*'mmcv'"),
        ("od_resnet18", {"temperature": 0.0}, "temperature"),
        ("od_resnet19", {}, "unknown model 'od_resnet19'"),
        (nn.Conv2d(3, 8, 3), {}, "body: expected a model's name.*received Conv2d"),
    ],
)
def test_bad_input(body, options, message):
    body = spec(body) if body == "od_resnet18" else body
    with pytest.raises(ValueError, match=message):
        faster_rcnn(body, **{"num_classes": 3, **SMALL, **options})


def test_features_have_chosen_their_maps():
    with pytest.raises(ValueError, match=r"maps: expected None beside Features.*received 2"):
        faster_rcnn(create_model("od_resnet18", features_only=True), 3, maps=2)


def test_examples_run():
    known = {name: getattr(package, name) for name in package.__all__} | {"torch": torch}
    check_examples({name: (known[name], known) for name in package.__all__})
