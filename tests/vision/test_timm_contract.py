"""What timm asks of a model, of ours. `tests/vision/timm_suite.py` runs timm's own tests."""

from __future__ import annotations

import pytest
import timm
import torch
from timm.data import create_transform, resolve_data_config
from timm.models import FeatureInfo, group_parameters, save_for_hf
from timm.optim import create_optimizer_v2, param_groups_layer_decay
from torch import nn

from odconv_torch import CondConv2d
from odconv_torch.timm import register_timm_models

RESNET = {"stages": [[8, 1], [12, 2], [16, 1], [20, 1]], "stem_channels": 8}
MOBILENET = {"stages": [[1, 16, 1, 1], [3, 24, 2, 2], [3, 32, 1, 2]]}
SMALL = {"od_resnet18": RESNET, "cond_mobilenetv2_050": MOBILENET}


@pytest.fixture(autouse=True, scope="module")
def registered():
    register_timm_models()


def small(name="od_resnet18", **options):
    torch.manual_seed(0)
    return timm.create_model(name, **SMALL[name] | options)


def stored(model, tmp_path, wrap=lambda state: state):
    torch.save(wrap(model.state_dict()), tmp_path / "own.pth")
    return {"file": str(tmp_path / "own.pth")}


@pytest.mark.parametrize(
    ("name", "stem", "head"),
    [("od_resnet18", "conv1", "fc"), ("cond_mobilenetv2_050", "features.0.0", "classifier.1")],
)
def test_its_configuration(name, stem, head):
    model = small(name)
    cfg = model.pretrained_cfg
    assert (cfg["first_conv"], cfg["classifier"]) == (stem, head)
    assert cfg["architecture"] == name
    assert model.default_cfg is cfg
    assert timm.get_pretrained_cfg_value(name, "pool_size") == (7, 7)
    assert not timm.is_model_pretrained(name)
    data = resolve_data_config({}, model=model)
    assert data["input_size"] == (3, 224, 224)
    assert data["mean"] == (0.485, 0.456, 0.406)
    assert data["interpolation"] == "bilinear"
    assert "CenterCrop(size=(224, 224))" in str(create_transform(**data))


def test_its_attributes():
    model = small(num_classes=7, in_chans=1, drop_rate=0.25, global_pool="max")
    assert (model.num_classes, model.in_chans, model.drop_rate) == (7, 1, 0.25)
    assert (model.num_features, model.head_hidden_size, model.global_pool) == (20, 20, "max")
    info = FeatureInfo(model.feature_info, (1, 3))
    assert info.channels() == [8, 16]
    assert info.reduction() == [4, 16]
    assert info.module_name() == ["layer1", "layer3"]


@pytest.mark.parametrize("name", SMALL)
def test_its_head(name):
    model, x = small(name, num_classes=3).eval(), torch.randn(2, 3, 64, 48)
    maps = model.forward_features(x)
    assert model.forward_head(maps).shape == (2, 3)
    features = model.forward_head(maps, pre_logits=True)
    assert features.shape == (2, model.head_hidden_size)
    model.reset_classifier(0)
    assert torch.equal(model(x), features)
    model.reset_classifier(0, "")
    assert torch.equal(model(x), maps)
    assert torch.equal(small(name, num_classes=0, global_pool="").eval()(x), maps)
    assert type(model.get_classifier()) is nn.Identity
    model.reset_classifier(5, "avg")
    assert model(x).shape == (2, 5)


GROUPS = {
    ("od_resnet18", False): ["conv1", "layer1.0", "layer2.0", "layer2.1", "layer3.0", "layer4.0"],
    ("od_resnet18", True): ["conv1", "layer1", "layer2", "layer3", "layer4"],
    ("cond_mobilenetv2_050", False): [f"features.{place}" for place in range(5)],
    ("cond_mobilenetv2_050", True): ["features.0", "features.1", "features.2", "features.4"],
}


@pytest.mark.parametrize(("name", "coarse"), GROUPS)
def test_its_groups(name, coarse):
    model = small(name)
    groups = group_parameters(model, model.group_matcher(coarse))
    head = "fc" if "resnet" in name else "classifier"
    for names, first in zip(groups.values(), [*GROUPS[name, coarse], head], strict=True):
        assert any(found.startswith(f"{first}.") for found in names)
    assert sum(map(len, groups.values())) == len(list(model.parameters()))
    last = groups[len(groups) - 2]  # what follows the last block is with it
    assert ("mobilenetv2" in name) == any(found.startswith("features.5.") for found in last)


def test_rates_fall_towards_the_stem():
    model = small()
    model.freeze_stages(0)
    groups = param_groups_layer_decay(model, layer_decay=0.5)
    scales = {id(p): group["lr_scale"] for group in groups for p in group["params"]}
    assert id(model.conv1.weight) not in scales  # frozen
    found = [model.layer1[0].conv1, model.layer2[1].conv1, model.layer4[0].conv1, model.fc]
    assert [scales[id(layer.weight)] for layer in found] == [0.5**5, 0.5**3, 0.5, 1.0]
    optimizer = create_optimizer_v2(small(), "sgd", lr=0.1, layer_decay=0.5)
    assert len(optimizer.param_groups) > 5


def test_biases_of_a_bank_do_not_decay():
    model = small()
    assert model.no_weight_decay() == set()
    model.layer1[0].conv1 = CondConv2d(8, 8, 3, padding=1, bias=True)
    assert model.no_weight_decay() == {"layer1.0.conv1.bias"}


@pytest.mark.parametrize("cls", [None, "getter", "list"])
def test_its_body(cls):
    body = small(features_only=True, feature_cls=cls, out_indices=(1, 2)).train()
    body.set_grad_checkpointing()
    maps = body(torch.randn(2, 3, 64, 48))
    assert [y.shape[1] for y in maps] == body.feature_info.channels() == [8, 12]
    sum(y.mean() for y in maps).backward()
    assert all(p.grad is not None for p in body.parameters())
    assert body.pretrained_cfg["first_conv"] == "conv1"
    assert "classifier" not in body.pretrained_cfg


@pytest.mark.parametrize("cls", ["hook", "fx", nn.Module])
def test_bodies_of_another_kind(cls):
    with pytest.raises(ValueError, match=r"feature_cls: expected one of \('getter', 'list'\)"):
        small(features_only=True, feature_cls=cls)


def test_maps_of_a_classifier():
    with pytest.raises(ValueError, match="out_indices"):
        small(out_indices=(1, 2))


def test_weights_of_ones_own(tmp_path):
    model = small(num_classes=1000)
    overlay = stored(model, tmp_path, lambda state: {"state_dict": state, "epoch": 3})
    loaded = small(pretrained=True, pretrained_cfg_overlay=overlay)
    assert torch.equal(loaded.fc.weight, model.fc.weight)
    for classes in (3, 0):
        tuned = small(pretrained=True, pretrained_cfg_overlay=overlay, num_classes=classes)
        assert tuned.num_classes == classes
        assert torch.equal(tuned.layer4[0].conv1.weight, model.layer4[0].conv1.weight)
    gray = small(pretrained=True, pretrained_cfg_overlay=overlay, in_chans=1)
    torch.testing.assert_close(gray.conv1.weight, model.conv1.weight.sum(1, keepdim=True))
    body = small(pretrained=True, pretrained_cfg_overlay=overlay, features_only=True)
    assert torch.equal(body.backbone.conv1.weight, model.conv1.weight)


def test_weights_that_nobody_has():
    with pytest.raises(ValueError, match=r"od_resnet18: expected pretrained=False, received True"):
        small(pretrained=True)
    with pytest.raises(ValueError, match=r"pretrained_cfg_overlay=\{'file': path\}"):
        small(pretrained=True, pretrained_cfg_overlay={"num_classes": 3})


def test_what_timm_saves_opens_again(tmp_path):
    model = timm.create_model("od_mobilenetv2_050", num_classes=3, kernel_num=2).eval()
    model.reset_classifier(4, "max")
    save_for_hf(model, tmp_path)
    other = timm.create_model(f"local-dir:{tmp_path}", pretrained=True).eval()
    x = torch.randn(2, 3, 64, 48)
    assert torch.equal(other(x), model(x))
    assert other.spec == model.spec
