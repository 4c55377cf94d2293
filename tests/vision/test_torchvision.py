"""Our layers inside torchvision's networks, and our networks inside its detectors."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
import torchvision
from torch import nn
from torchvision.models.detection import FasterRCNN
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from odconv_torch import create_model, replace_convs

KINDS = ("od", "dy", "cond")


class BodyWithPyramid(nn.Module):
    """What a user writes to put a body under torchvision's detectors."""

    def __init__(self, body, out_channels=32):
        super().__init__()
        self.body = body
        channels = [info.channels for info in body.feature_info]
        self.fpn = FeaturePyramidNetwork(channels, out_channels, LastLevelMaxPool())
        self.out_channels = out_channels

    def forward(self, x):
        maps = self.body(x)
        return self.fpn(OrderedDict((str(index), found) for index, found in enumerate(maps)))


@pytest.mark.parametrize("name", ["od_resnet18", "dy_mobilenetv2_050", "cond_resnet18"])
def test_faster_rcnn_trains_one_step(name):
    torch.manual_seed(0)
    body = create_model(name, features_only=True, head_init="published")
    detector = FasterRCNN(BodyWithPyramid(body), num_classes=3, min_size=96, max_size=128).train()
    optimiser = torch.optim.SGD(detector.parameters(), lr=1e-3)
    images = [torch.rand(3, 96, 128), torch.rand(3, 110, 90)]
    boxes = torch.tensor([[10.0, 10.0, 60.0, 70.0], [30.0, 20.0, 80.0, 75.0]])
    targets = [{"boxes": boxes, "labels": torch.tensor([1, 2])} for _ in images]
    losses = detector(images, targets)
    assert set(losses) >= {"loss_classifier", "loss_box_reg", "loss_objectness"}
    assert all(torch.isfinite(loss) for loss in losses.values())
    sum(losses.values()).backward()
    without = [n for n, p in body.named_parameters() if p.grad is None]
    assert without == []
    assert all(torch.isfinite(p.grad).all() for p in body.parameters())
    before = [p.detach().clone() for p in body.parameters()]
    optimiser.step()
    moved = [not torch.equal(a, b) for a, b in zip(before, body.parameters(), strict=True)]
    assert sum(moved) > 0.9 * len(moved)  # a ReLU with two hidden units may be dead
    with torch.no_grad():
        assert set(detector.eval()(images)[0]) == {"boxes", "labels", "scores"}


def random_resnet18():
    torch.manual_seed(0)
    model = torchvision.models.resnet18()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.3)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.3)
    return model.eval()


@pytest.mark.parametrize("kind", KINDS)
def test_resnet18_computes_the_same_after_replacement(kind):
    model = random_resnet18()
    x = torch.randn(2, 3, 96, 80)
    with torch.no_grad():
        before = model(x)
        replaced = replace_convs(model, kind, kernel_num=4)
        after = model(x)
    error = ((after - before).abs().max() / before.abs().max()).item()
    assert error < 1e-5
    assert len(replaced.changes) == 19  # all but the stem
    assert replaced.skipped == ()
    assert type(model.conv1) is nn.Conv2d


@pytest.mark.parametrize("kind", KINDS)
def test_a_replaced_resnet18_trains(kind):
    model = random_resnet18().train()
    replace_convs(model, kind, lambda path, conv: path.startswith("layer4"))
    loss = model(torch.randn(2, 3, 64, 48)).square().mean()
    loss.backward()
    assert torch.isfinite(loss)
    assert all(p.grad is not None for p in model.parameters())


def test_what_torchvision_calls_the_arrays_stays():
    """The static part of a torchvision checkpoint still loads."""
    model = random_resnet18()
    names = set(model.state_dict())
    replace_convs(model, "od", lambda path, conv: path == "layer1.0.conv1")
    assert names <= set(model.state_dict())


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2"])
def test_static_backbones_are_torchvisions(name):
    """Ours have the same arrays in the same order, so torchvision's weights load."""
    ours = create_model({"mobilenet_v2": "mobilenetv2_100"}.get(name, name)).eval()
    theirs = torchvision.models.get_model(name).eval()
    pairs = zip(theirs.state_dict().items(), ours.state_dict().items(), strict=True)
    assert all(a.shape == b.shape for (_, a), (_, b) in pairs)
    values = dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True))
    ours.load_state_dict(values, strict=True)
    x = torch.randn(1, 3, 96, 80)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-4, atol=1e-4)
