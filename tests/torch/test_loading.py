"""Arrays out of and into torch modules."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from odconv_torch import ODConv2d
from tests.frameworks.test_loading import SPECS, body_of
from weights_converter import (
    MismatchError,
    RefusedError,
    UsageError,
    convert,
    extract,
    load_into,
)
from weights_converter.identify.open_model import open_model


def test_a_network_of_ones_own_with_our_layers():
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), ODConv2d(8, 8, 3), nn.Flatten(), nn.Linear(8, 2)
    )
    arrays = extract(net)
    assert arrays["2.weight"].shape == (4, 8, 8, 3, 3)
    assert {name.partition(".")[0] for name in arrays} == {"0", "1", "2", "4"}


def test_what_thop_leaves_in_a_live_model():
    net = nn.Sequential(nn.Conv2d(3, 8, 3), ODConv2d(8, 8, 3))
    expected = extract(net)
    for module in net.modules():
        module.register_buffer("total_ops", torch.zeros(1, dtype=torch.float64))
        module.register_buffer("total_params", torch.zeros(1, dtype=torch.float64))
    assert extract(net).keys() == expected.keys()


def test_layers_without_a_canonical_form_are_named():
    net = nn.Sequential(ODConv2d(3, 4, 3), nn.Bilinear(4, 4, 2), nn.PReLU())
    with pytest.raises(MismatchError, match=r"3 arrays belong to layers without a canonical form"):
        extract(net)


def test_what_is_no_model():
    with pytest.raises(
        UsageError, match="expected a torch module, a Paddle layer or a Keras layer"
    ):
        extract(torch.zeros(3).numpy())


def saved(tmp_path, dtype, scale=1.0):
    """A lone layer in a file, and the layer."""
    layer = ODConv2d(4, 8, (3, 2), dtype=dtype)
    nn.init.normal_(layer.weight, std=scale)
    torch.save(layer.state_dict(), tmp_path / "x.pth")
    return layer, tmp_path / "x.pth"


def test_another_precision_is_loaded_on_demand_only(tmp_path):
    exact, path = saved(tmp_path, torch.float64)
    layer = ODConv2d(4, 8, (3, 2))
    with pytest.raises(MismatchError, match="expected F32, found F64"):
        load_into(layer, path)
    load_into(layer, path, cast=True)
    assert layer.weight.dtype == torch.float32
    assert torch.equal(layer.weight, exact.weight.float())
    back = ODConv2d(4, 8, (3, 2), dtype=torch.float64)
    torch.save(layer.state_dict(), path)
    load_into(back, path, cast=True)
    assert torch.equal(back.weight, layer.weight.double())


def test_a_cast_makes_nothing_infinite(tmp_path):
    _, path = saved(tmp_path, torch.float64, scale=1e300)
    with pytest.raises(RefusedError, match=r"weight: 768 values are too large for the model's F32"):
        load_into(ODConv2d(4, 8, (3, 2)), path, cast=True)


def test_the_batches_that_torch_has_counted_are_loaded(tmp_path):
    source, model = (nn.Sequential(ODConv2d(3, 4, 3), nn.BatchNorm2d(4)) for _ in range(2))
    source(torch.rand(2, 3, 5, 6))
    torch.save(source.state_dict(), tmp_path / "x.pth")
    loaded = load_into(model, tmp_path / "x.pth")
    assert model[1].num_batches_tracked == 1 and model[0].attention.bn.num_batches_tracked == 1
    assert not loaded.dropped and not loaded.defaulted


def test_the_temperature_of_a_training(kit, tmp_path):
    """A checkpoint of `odconv_torch.train` says it beside its state dict."""
    layer = ODConv2d(4, 8, (3, 2))
    content = {"state_dict": layer.state_dict(), "odconv": "{}", "temperature": 12.5}
    torch.save(content, tmp_path / "x.pth")
    assert load_into(layer, tmp_path / "x.pth").temperature == 12.5
    assert kit.temperatures(layer) == {12.5}
    assert convert(tmp_path / "x.pth", tmp_path / "y.safetensors").temperature == 12.5
    del content["odconv"]  # of a stranger, who may call another thing so
    torch.save(content, tmp_path / "x.pth")
    assert load_into(layer, tmp_path / "x.pth").temperature is None


def test_a_body_in_its_own_file(kit, tmp_path):
    body = body_of(kit, SPECS["od_resnet18"])
    torch.save(body.state_dict(), tmp_path / "x.pth")
    weights = open_model(tmp_path / "x.pth")
    assert weights.spec == replace(SPECS["od_resnet18"], num_classes=0)
    assert weights.tensors.keys() == extract(body).keys()
    convert(tmp_path / "x.pth", tmp_path / "y.pth")
    body.backbone.load_state_dict(torch.load(tmp_path / "y.pth"))
    assert not load_into(body, tmp_path / "x.pth").defaulted
