"""A checkpoint of mmdetection in torchvision: the numbers that mmdetection's own code gave."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from odconv_spec import model_spec
from odconv_spec.detectors import DetectorSpec
from odconv_torch.detect.build import build_detector
from odconv_torch.detection import faster_rcnn, mask_rcnn
from odconv_training.detection.coco import Category
from odconv_training.detection.options import Network
from odconv_training.detection.recipes import Detector
from odconv_training.progress import Progress
from parity_tests.reference import random_arrays
from tests.detectors import golden, golden_arrays, golden_image
from weights_converter import convert, extract, inspect, load_into
from weights_converter.errors import MismatchError

BODY = model_spec("od_resnet18", kernel_num=2)
# Neither resized nor normalised, so that only the network is compared.
AS_IT_IS = {"min_size": 160, "max_size": 224, "image_mean": [0.0] * 3, "image_std": [1.0] * 3}
PIXELS, SCORES, LOGITS, MAPS = 1e-3, 1e-5, 1e-4, 1e-4


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """As mmdetection saves it, with the classifier that its bodies keep."""
    arrays = golden_arrays() | {"backbone.fc.weight": np.ones((4, 512), np.float32)}
    state = {name: torch.from_numpy(array) for name, array in arrays.items()}
    path = tmp_path_factory.mktemp("golden") / "epoch_12.pth"
    torch.save({"meta": {"epoch": 12}, "state_dict": state}, path)
    return path


@pytest.fixture(scope="module")
def converted(checkpoint):
    path = checkpoint.with_name("detector.pth")
    convert(checkpoint, path)
    return path


def seen(detector, image):
    """What the detector finds, and on its way."""
    found = {}
    modules = {
        "maps": detector.backbone,
        "proposals": detector.rpn,
        "logits": detector.roi_heads.mask_predictor,
    }
    for name, module in modules.items():
        module.register_forward_hook(lambda m, x, y, name=name: found.update({name: y}))
    with torch.no_grad():
        return found | detector.eval()([torch.from_numpy(image)])[0]


@pytest.fixture(scope="module")
def found(converted):
    detector = mask_rcnn(BODY, 3, **AS_IT_IS)
    detector.load_state_dict(torch.load(converted, weights_only=True), strict=True)
    return seen(detector, golden_image())


def test_maps_of_the_pyramid(found):
    expected = golden()
    for place, y in enumerate(found["maps"].values()):
        np.testing.assert_allclose(y.abs().mean(), expected["fpn_means"][place], rtol=1e-5)
        corner = expected["fpn_corner"][place]
        np.testing.assert_allclose(y[0, :8, 0, 0], corner, rtol=MAPS, atol=MAPS)


def test_proposals(found):
    proposals = found["proposals"][0][0].numpy()
    assert proposals.shape == golden()["proposals"].shape == (977, 4)
    np.testing.assert_allclose(proposals, golden()["proposals"], rtol=0, atol=PIXELS)


def test_boxes_scores_labels_and_masks(found):
    expected = golden()
    boxes = found["boxes"].numpy()
    own = nearest(expected["boxes"], boxes)  # near-equal scores may come in either order
    assert sorted(own) == list(range(len(boxes)))
    np.testing.assert_allclose(boxes[own], expected["boxes"], rtol=0, atol=PIXELS)
    scores = found["scores"].numpy()[own]
    np.testing.assert_allclose(scores, expected["scores"], rtol=0, atol=SCORES)
    np.testing.assert_array_equal(found["labels"].numpy()[own] - 1, expected["labels"])
    first = found["labels"][:10]
    logits = found["logits"][torch.arange(10), first].numpy()
    np.testing.assert_allclose(logits, expected["mask_logits"], rtol=0, atol=LOGITS)


def nearest(expected, boxes):
    """The place of the box nearest to each of those expected."""
    return np.abs(expected[:, None] - boxes[None]).max(2).argmin(1)


def test_torchvisions_own_arithmetic_gives_other_boxes(converted):
    detector = mask_rcnn(BODY, 3, arithmetic="torchvision", **AS_IT_IS)
    load_into(detector, converted)
    other = seen(detector, golden_image())
    proposals = other["proposals"][0][0].numpy()
    expected = golden()["proposals"]
    assert len(proposals) != len(expected) or np.abs(proposals - expected).max() > 1.0


def test_a_detector_takes_the_checkpoint_as_it_is(checkpoint, converted):
    detector = mask_rcnn(BODY, 3, **AS_IT_IS)
    loaded = load_into(detector, checkpoint)
    state = torch.load(converted, weights_only=True)
    for name, array in extract(detector).items():
        np.testing.assert_array_equal(array, state[name].numpy())
    assert set(loaded.dropped) == {"backbone.fc.weight"}
    again = mask_rcnn(BODY, 3, **AS_IT_IS)
    load_into(again, converted)
    assert all(
        torch.equal(a, b) for a, b in zip(again.parameters(), detector.parameters(), strict=True)
    )


def test_its_body_alone(checkpoint):
    detector = faster_rcnn(BODY, 7)
    load_into(detector.backbone.body, checkpoint, head="skip")
    arrays = golden_arrays()
    for name, array in extract(detector.backbone.body).items():
        np.testing.assert_array_equal(array, arrays[f"backbone.{name}"])


def test_back_to_mmdetection_every_bit_is_as_it_was(checkpoint, converted, tmp_path):
    convert(converted, tmp_path / "back.pth", names="mmdetection")
    state = torch.load(tmp_path / "back.pth", weights_only=True)
    arrays = golden_arrays()
    assert {name for name in state if not name.endswith("num_batches_tracked")} == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(state[name].numpy(), array)


def test_a_checkpoint_of_another_task_or_number_of_classes(checkpoint, converted):
    for file in (checkpoint, converted):
        wrong = {
            "Faster R-CNN, 3 classes": faster_rcnn(BODY, 3),
            "Mask R-CNN, 80 classes": mask_rcnn(BODY, 80),
        }
        for title, detector in wrong.items():
            before = detector.rpn.head.cls_logits.weight.clone()
            message = f"holds Mask R-CNN, 3 classes; the model is {title}"
            with pytest.raises(MismatchError, match=message) as error:
                load_into(detector, file)
            assert "build the detector that the file holds" in error.value.help
            assert torch.equal(detector.rpn.head.cls_logits.weight, before)
        with pytest.raises(MismatchError, match=r"conv1\.weight"):
            load_into(mask_rcnn(model_spec("od_resnet18", kernel_num=4), 3), file)


def test_a_checkpoint_of_our_own_training_is_one_of_torchvision(tmp_path):
    network = Network(
        model_spec("od_mobilenetv2_050", kernel_num=2),
        Detector("mask", channels=32),
        (Category(3, "cat"), Category(7, "dog")),
    )
    model = build_detector(network)
    progress = Progress(5, 1, 0.0, 0, "{}", network.to_json())
    content = {"odconv": progress.to_json(), "state_dict": model.state_dict()}
    torch.save(content, tmp_path / "last.pth")
    title = "Mask R-CNN, FPN, od_mobilenetv2_050 2 kernels, 2 classes"
    assert f"model   {title}\n" in str(inspect(tmp_path / "last.pth"))
    convert(tmp_path / "last.pth", tmp_path / "mm.pth", names="mmdetection")
    back = build_detector(network)
    load_into(back, tmp_path / "mm.pth")
    found = extract(back)
    for name, array in extract(model).items():
        rows = {"box_predictor.bbox_pred": 4, "mask_predictor.mask_fcn_logits": 1}
        rows = rows.get(".".join(name.split(".")[1:-1]), 0)
        np.testing.assert_array_equal(found[name][rows:], array[rows:])


@pytest.mark.parametrize("build", [faster_rcnn, mask_rcnn])
@pytest.mark.parametrize("name", ["od_mobilenetv2_050", "od_resnet18"])
def test_a_detector_has_the_arrays_of_its_spec_in_their_order(build, name):
    spec = DetectorSpec(build.__name__, model_spec(name), 5, out_channels=8)
    detector = build(name, 5, out_channels=8)
    names = [n for n in detector.state_dict() if not n.endswith("num_batches_tracked")]
    assert names == [p.name for p in spec.parameters()]
    shapes = {n: tuple(x.shape) for n, x in detector.state_dict().items()}
    assert all(shapes[p.name] == p.shape for p in spec.parameters())
    assert random_arrays(spec.parameters(), 0).keys() == extract(detector).keys()
