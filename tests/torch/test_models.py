"""The networks: names, sizes, options, and behaviour as torch modules."""

from __future__ import annotations

import copy
import gzip
import json
from pathlib import Path

import pytest
import torch

import odconv_torch
from odconv_torch import create_model, list_models, set_temperature

GOLDEN = Path(__file__).parents[2] / "parity_tests" / "golden" / "official_names.json.gz"
OFFICIAL = json.loads(gzip.decompress(GOLDEN.read_bytes()))
SMALL = {
    "od_resnet18": {"stages": [[8, 1], [12, 1]], "stem_channels": 8},
    "od_resnet50": {"stages": [[8, 1], [12, 1]], "stem_channels": 8},
    "od_mobilenetv2_050": {"stages": [[1, 16, 1, 1], [3, 24, 2, 2]]},
    "resnet18": {"stages": [[8, 1], [12, 1]], "stem_channels": 8},
}


def small(name, **options):
    return create_model(name, num_classes=5, **SMALL[name] | options)


@pytest.mark.parametrize("entry", OFFICIAL)
def test_state_dict_is_the_official_one(entry):
    name, _, kernel_num = entry.partition("/")
    options = {"kernel_num": int(kernel_num)} if kernel_num else {}
    state = create_model(name, device="meta", **options).state_dict()
    shapes = {k: list(v.shape) for k, v in state.items() if not k.endswith("num_batches_tracked")}
    assert shapes == OFFICIAL[entry]
    assert list(shapes) == list(OFFICIAL[entry])


def test_official_format_file_of_od_resnet50_loads_strictly(tmp_path):
    """As the official script writes it: a wrapped state dict from a DataParallel model."""
    names = OFFICIAL["od_resnet50/1"]
    state = {f"module.{name}": torch.randn(shape) for name, shape in names.items()}
    torch.save({"epoch": 100, "state_dict": state, "best_acc": 77.9}, tmp_path / "od.pth.tar")
    loaded = torch.load(tmp_path / "od.pth.tar", weights_only=True)["state_dict"]
    model = create_model("od_resnet50")
    missing = model.load_state_dict(
        {name.removeprefix("module."): value for name, value in loaded.items()}, strict=True
    )
    assert not missing.missing_keys
    assert not missing.unexpected_keys
    assert all(torch.equal(model.state_dict()[n], state[f"module.{n}"]) for n in names)


@pytest.mark.parametrize("name", list_models())
def test_every_name_is_a_function_too(name):
    assert getattr(odconv_torch, name).args == (name,)


@pytest.mark.parametrize("name", SMALL)
def test_every_parameter_learns(name):
    model = small(name, **({"head_init": "published"} if name.startswith("od_") else {}))
    x = torch.randn(4, 3, 32, 40)
    torch.nn.functional.cross_entropy(model(x), torch.tensor([0, 1, 2, 3])).backward()
    assert all(p.grad is not None and p.grad.any() for p in model.parameters())


@pytest.mark.parametrize("name", SMALL)
def test_features_then_head_is_the_model(name):
    model = small(name, dropout=0.5).eval()
    x = torch.randn(2, 3, 33, 40)
    features = model.forward_features(x)
    assert features.shape[1] == model.num_features
    assert features.dim() == 4
    torch.testing.assert_close(model.forward_head(features), model(x), rtol=0, atol=0)


def test_options_reach_the_layers():
    model = small("od_resnet18", kernel_num=3, in_channels=1, dropout=0.3, min_channels=4)
    assert model.layer1[0].conv1.weight.shape[0] == 3
    assert model.layer1[0].conv1.attention.fc.weight.shape[0] == 4
    assert model(torch.randn(2, 1, 32, 32)).shape == (2, 5)
    assert model.dropout.p == 0.3


@pytest.mark.parametrize("name", SMALL)
def test_a_batch_of_one_trains(name):
    model = small(name).train()
    y = model(torch.randn(1, 3, 8, 8))  # the last map has a single pixel
    y.sum().backward()
    assert torch.isfinite(y).all()


def test_temperature_reaches_every_layer_and_changes_the_output():
    model = small("od_resnet18", head_init="published").eval()
    x = torch.randn(2, 3, 32, 32)
    cool = model(x)
    model.set_temperature(30.0)
    values = [m.temperature.item() for m in model.modules() if hasattr(m, "temperature")]
    assert values == [30.0] * 4
    assert not torch.allclose(model(x), cool)
    set_temperature(model, 1.0)
    torch.testing.assert_close(model(x), cool, rtol=0, atol=0)


def test_a_static_model_has_no_temperature_to_set():
    small("resnet18").set_temperature(30.0)


def test_deepcopy_is_independent():
    model = small("od_mobilenetv2_050")
    twin = copy.deepcopy(model)
    twin.set_temperature(5.0)
    with torch.no_grad():
        next(twin.parameters()).zero_()
    assert next(model.parameters()).any()
    assert all(m.temperature == 1 for m in model.modules() if hasattr(m, "temperature"))


def test_unknown_models_and_options():
    with pytest.raises(ValueError, match="unknown model 'od_resnet19': did you mean"):
        create_model("od_resnet19")
    with pytest.raises(ValueError, match="resnet18 has the options"):
        create_model("resnet18", kernel_num=4)
