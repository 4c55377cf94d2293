"""The maps of a backbone at each stride, for detectors."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import nn

from odconv_torch import Features, create_model

SMALL = {
    "resnet": {"stages": [[8, 1], [12, 2], [16, 1], [20, 1]], "stem_channels": 6},
    "mobilenetv2": {"stages": [[1, 16, 1, 1], [3, 24, 2, 2], [3, 32, 1, 2], [2, 40, 2, 2]]},
}
NAMES = [
    f"{kind}{name}"
    for kind in ("", "od_", "dy_", "cond_")
    for name in ("resnet18", "resnet50", "mobilenetv2_050")
]


def small(name, **options):
    """With attentions that are not constant, and wide enough that some of each layer is alive."""
    torch.manual_seed(0)
    family = "resnet" if "resnet" in name else "mobilenetv2"
    start = {"od": {"head_init": "published"}, "co": {"head_init": "published"}}
    start["dy"] = {"head_init": "published", "reduction": 1.0}
    return create_model(name, num_classes=5, **SMALL[family] | start.get(name[:2], {}) | options)


@pytest.mark.parametrize("name", NAMES)
def test_maps_are_as_described(name):
    model = small(name).eval()
    x = torch.randn(2, 3, 64, 96)
    maps = model.forward_stages(x)
    assert len(maps) == len(model.feature_info)
    for found, info in zip(maps, model.feature_info, strict=True):
        assert found.shape == (2, info.channels, 64 // info.stride, 96 // info.stride)


@pytest.mark.parametrize("name", NAMES)
def test_maps_are_what_the_named_modules_give(name):
    model = small(name).eval()
    found = {}
    for info in model.feature_info:
        module = model.get_submodule(info.name)
        module.register_forward_hook(lambda m, i, y, name=info.name: found.update({name: y}))
    maps = model.forward_stages(torch.randn(2, 3, 64, 96))
    for value, info in zip(maps, model.feature_info, strict=True):
        expected = torch.relu(found["bn1"]) if info.name == "bn1" else found[info.name]
        torch.testing.assert_close(value, expected, rtol=0, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_of_the_body_learns(name):
    body = small(name, features_only=True, out_indices=(1, 2, 3)).train()
    maps = body(torch.randn(3, 3, 64, 96))
    sum(y.square().mean() for y in maps).backward()
    dead = [n for n, p in body.named_parameters() if p.grad is None or not p.grad.any()]
    assert dead == []


@pytest.mark.parametrize("name", NAMES)
def test_chosen_maps_in_the_chosen_order(name):
    model = small(name).eval()
    x = torch.randn(1, 3, 64, 96)
    every = model.forward_stages(x)
    body = Features(model, out_indices=(2, 0))
    for found, expected in zip(body(x), (every[2], every[0]), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert body.feature_info == (model.feature_info[2], model.feature_info[0])


def test_the_backbone_keeps_its_classifier_and_shares_its_layers():
    model = small("od_resnet18")
    x = torch.randn(2, 3, 64, 96)
    body = Features(model, (1, 2))
    assert model.eval()(x).shape == (2, 5)
    assert body.backbone.layer1 is model.layer1
    assert not hasattr(body.backbone, "layer3")
    kept = ("conv1.", "bn1.", "layer1.", "layer2.")
    names = [f"backbone.{name}" for name in model.state_dict() if name.startswith(kept)]
    assert list(body.state_dict()) == names


def test_the_default_leaves_the_stem_out():
    body = create_model("od_resnet18", features_only=True)
    assert [info.channels for info in body.feature_info] == [64, 128, 256, 512]
    assert [info.stride for info in body.feature_info] == [4, 8, 16, 32]
    mobile = create_model("dy_mobilenetv2_100", features_only=True)
    assert [info.channels for info in mobile.feature_info] == [24, 32, 96, 320]
    assert all(not name.startswith("backbone.features.18") for name in mobile.state_dict())


def test_only_what_is_needed_is_run():
    model = small("od_resnet18").eval()
    model.layer3.register_forward_pre_hook(lambda m, x: pytest.fail("ran"))
    assert len(model.forward_stages(torch.randn(1, 3, 64, 96), (0, 2))) == 2


def test_temperature_copies_and_pickles():
    body = small("dy_resnet18", features_only=True).eval()
    x = torch.randn(1, 3, 64, 96)
    cool = body(x)[-1]
    body.set_temperature(30.0)
    warm = body(x)[-1]
    assert not torch.allclose(cool, warm)
    for twin in (copy.deepcopy(body), pickle.loads(pickle.dumps(body))):
        torch.testing.assert_close(twin(x)[-1], warm, rtol=0, atol=0)


def test_a_classifier_on_top_of_two_maps():
    """What a user writes around it."""
    body = small("cond_mobilenetv2_050", features_only=True, out_indices=(0, 3))
    heads = nn.ModuleList(nn.Conv2d(info.channels, 2, 1) for info in body.feature_info)
    y = [head(x) for head, x in zip(heads, body(torch.randn(1, 3, 64, 96)), strict=True)]
    assert [tuple(v.shape) for v in y] == [(1, 2, 32, 48), (1, 2, 4, 6)]


@pytest.mark.parametrize("wrong", [(5,), (-1,), (), (0, 7)])
def test_indices_out_of_range(wrong):
    model = small("od_resnet18")
    for call in (Features, lambda m, i: m.forward_stages(torch.randn(1, 3, 64, 96), i)):
        with pytest.raises(ValueError, match="out_indices: expected some of 0 to 4, received"):
            call(model, wrong)


def test_indices_without_features():
    with pytest.raises(ValueError, match="out_indices: expected features_only=True"):
        create_model("od_resnet18", out_indices=(1,))
