"""What a checkpoint says of its detector beside the arrays, and what the arrays say."""

from __future__ import annotations

import detect_helpers as small
import pytest
import torch

from odconv_spec import model_spec
from odconv_torch.detect.command import main
from odconv_torch.detect.opened import open_detector
from odconv_torch.detection import mask_rcnn
from odconv_training import LAST, TrainingError
from odconv_training.detection.coco import Category
from odconv_training.detection.options import Network
from odconv_training.detection.recipes import Detector

NAMES = (Category(1, "disc"), Category(7, "box"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return small.shapes(tmp_path_factory.mktemp("shapes"), images=9, size=128)


def test_the_arithmetic_of_a_training_comes_back(folder, tmp_path, capsys):
    """Anchors and RoIAlign have no arrays: only the checkpoint says whose they are."""
    own = {"arithmetic": "torchvision"}
    training = small.run(small.options(tmp_path / "run", folder, detector=own, steps=1))
    path, device = tmp_path / "run" / LAST["torch"], torch.device("cpu")
    image = [torch.rand(3, 96, 128)]
    expected = boxes(training.trainer.model, image)
    assert torch.equal(boxes(open_detector(path, device).model, image), expected)
    message = small.said(capsys, "predict", path, path, "--arithmetic", "mmdetection")
    assert "was trained with the anchors and the RoIAlign of torchvision" in message
    torch.save(training.trainer.model.state_dict(), silent := tmp_path / "silent.pth")
    sizes = {"min_size": 64, "max_size": 96}
    other = open_detector(silent, device, **sizes).model
    assert type(other.roi_heads.box_roi_pool).__name__ == "AdaptiveAlign"
    same = open_detector(silent, device, arithmetic="torchvision", **sizes).model
    assert torch.equal(boxes(same, image), expected)
    words = ["--data", str(folder), "--arithmetic", "torchvision", "--min-size", "64"]
    assert main(["evaluate", str(silent), *words]) == 0


def boxes(model, images):
    with torch.no_grad():
        return model.eval()(images)[0]["boxes"]


def test_an_earlier_checkpoint_has_the_published_arithmetic():
    network = Network(small.SPEC, Detector("mask", **small.SMALL), NAMES)
    assert "arithmetic" not in network.to_json()
    assert Network.from_json(network.to_json()) == network
    detector = Detector("mask", arithmetic="torchvision", maps=(0, 2), mask_channels=12)
    network = Network(small.SPEC, detector, NAMES)
    assert Network.from_json(network.to_json()) == network
    with pytest.raises(TrainingError, match="arithmetic: expected one of"):
        Detector(arithmetic="detectron")


def test_maps_and_the_width_of_masks_are_those_of_the_file(tmp_path):
    spec = model_spec("od_resnet18", stages=small.SPEC.stages, stem_channels=6, num_classes=0)
    sizes = {"min_size": 64, "max_size": 96}
    model = mask_rcnn(spec, 2, maps=(1, 2, 3), out_channels=8, **sizes)  # masks of 256
    torch.save(model.state_dict(), tmp_path / "a.pth")
    opened = open_detector(tmp_path / "a.pth", torch.device("cpu"), **sizes)
    detector = opened.network.detector
    assert (detector.maps, detector.channels, detector.mask_channels) == ((1, 2, 3), 8, 256)
    image = [torch.rand(3, 64, 96)]
    assert torch.equal(boxes(opened.model, image), boxes(model, image))
