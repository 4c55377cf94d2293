"""torchvision's feature extractor, which traces networks, on ours."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

from odconv_torch import ODConv2d, create_model, replace_convs
from odconv_torch.layers import DynamicConv

NAMES = ("od_resnet18", "dy_resnet50", "cond_resnet18", "resnet18")
MOBILE = ("od_mobilenetv2_050", "dy_mobilenetv2_050", "cond_mobilenetv2_050", "mobilenetv2_050")


def built(name):
    torch.manual_seed(0)
    start = {} if name in ("resnet18", "mobilenetv2_050") else {"head_init": "published"}
    return create_model(name, num_classes=5, **start).eval()


@pytest.mark.parametrize("name", NAMES + MOBILE)
def test_maps_are_those_of_the_network(name):
    model, x = built(name), torch.randn(1, 3, 64, 96)
    infos = model.feature_info[1:]
    extractor = create_feature_extractor(model, {info.name: str(i) for i, info in enumerate(infos)})
    with torch.no_grad():
        found, expected = extractor(x), model.forward_stages(x, tuple(range(1, len(infos) + 1)))
    assert [tuple(y.shape)[1] for y in found.values()] == [info.channels for info in infos]
    for a, b in zip(found.values(), expected, strict=True):
        assert torch.equal(a, b)


def test_dynamic_convolutions_are_nodes():
    model = built("od_resnet18")
    trains, evaluates = get_graph_node_names(model)
    assert trains == evaluates
    convs = [name for name, m in model.named_modules() if isinstance(m, DynamicConv)]
    assert len(convs) == 16  # shortcuts are static
    assert set(convs) <= set(trains)
    assert not any("attention" in name for name in trains)
    extractor = create_feature_extractor(model, ["layer1.0.conv2", "fc"])
    found = extractor(torch.randn(2, 3, 64, 96))
    assert found["layer1.0.conv2"].shape == (2, 64, 16, 24)
    assert found["fc"].shape == (2, 5)


def test_an_extractor_trains():
    extractor = create_feature_extractor(built("od_resnet18"), {"layer2": "y"})
    extractor.train()(torch.randn(2, 3, 64, 64))["y"].square().mean().backward()
    assert all(p.grad is not None for p in extractor.parameters())


def test_a_network_of_torchvision_with_our_layers():
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 6, 3)).eval()
    replace_convs(model, "od")
    assert type(model[2]) is ODConv2d
    x = torch.randn(1, 3, 9, 8)
    assert torch.equal(create_feature_extractor(model, {"2": "y"})(x)["y"], model(x))
