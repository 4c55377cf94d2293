"""KernelWarehouse in PyTorch: the cells belong to the network, and layers read them."""

import copy

import pytest
import torch

from odconv_spec import KWConvSpec, share_warehouses
from odconv_torch import Features, KWConv2d, TemperatureScheduler, WarehouseManager, create_model
from odconv_torch.layers import KWConv

FEW = {"stages": ((8, 1), (16, 1)), "stem_channels": 8, "num_classes": 5}


@pytest.fixture
def model():
    torch.manual_seed(0)
    return create_model("kw_resnet18", **FEW).eval()


def test_cells_are_registered_once(model):
    names = [name for name, _ in model.named_parameters() if "warehouse" in name]
    assert names == ["warehouse_manager.weights.0", "warehouse_manager.weights.1"]
    assert not [name for name in model.state_dict() if name.endswith((".start", ".temperature"))]


def test_a_copy_reads_its_own_cells(model):
    x = torch.rand(2, 3, 16, 20)
    before, twin = model(x), copy.deepcopy(model)
    with torch.no_grad():
        twin.warehouse_manager.weights[0].mul_(2)
    assert torch.equal(model(x), before)
    assert not torch.allclose(twin(x), before, atol=1e-6)


def test_the_start_is_what_counts_at_temperature_one(model):
    layer = model.layer1[0].conv2
    x = torch.rand(1, 8, 5, 6)
    model.set_temperature(1.0)
    starts = layer.attention(x).argmax(1)
    assert starts.tolist() == list(range(9, 18))
    cells = model.warehouse_manager.weights[0][starts]  # (taps, out, in, 1, 1)
    kernel = cells.reshape(3, 3, 8, 8).permute(2, 3, 0, 1)
    assert torch.allclose(layer(x), torch.nn.functional.conv2d(x, kernel, padding=1), atol=1e-5)


def test_frozen_stages_freeze_the_cells_that_they_read(model):
    model.freeze_stages(1)
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert "warehouse_manager.weights.1" in trained
    assert "warehouse_manager.weights.0" not in trained
    model.freeze_stages(None)
    assert all(p.requires_grad for p in model.parameters())


def test_a_body_keeps_the_cells(model):
    body, x = Features(model, (0, 1)), torch.rand(1, 3, 16, 20)
    assert "backbone.warehouse_manager.weights.1" in body.state_dict()
    for found, expected in zip(body(x), model.forward_stages(x, (0, 1)), strict=True):
        assert torch.equal(found, expected)


def test_the_published_schedule_is_that_of_the_kind(model):
    scheduler = TemperatureScheduler(model, steps=4)
    assert scheduler.temperature == 1.0
    scheduler.step_to(3)
    assert scheduler.temperature == 0.25
    with pytest.raises(ValueError, match=r"temperature: expected a number in \[0, 1\]"):
        model.set_temperature(30.0)


def test_made_without_values_and_filled_later(model):
    x = torch.rand(1, 3, 16, 20)
    with torch.device("meta"):
        other = create_model("kw_resnet18", **FEW)
    other.to_empty(device="cpu").load_state_dict(model.state_dict())
    for network in (model, other.eval()):
        network.set_temperature(0.5)
    assert torch.equal(other(x), model(x))


def test_layers_of_ones_own_share_a_warehouse():
    options = {"in_channels": 8, "kernel_size": 3, "warehouse": "a"}
    specs = [KWConvSpec(out_channels=8, **options), KWConvSpec(out_channels=16, **options)]
    specs, spec = share_warehouses(specs)
    net = torch.nn.Sequential(*map(KWConv2d.from_spec, specs))
    with pytest.raises(ValueError, match="KWConv2d: expected cells, received none"):
        net(torch.rand(1, 8, 9, 9))
    net.warehouse_manager = WarehouseManager(spec).serve(net)
    net[:2](torch.rand(2, 8, 9, 9)).sum().backward()
    assert net.warehouse_manager.weights[0].grad.abs().sum() > 0
    with pytest.raises(ValueError, match=r"manager: expected one whose warehouse 0 has the shape"):
        net[0].take_cells_from(KWConv2d(8, 4, 3).warehouse_manager)


def test_from_static_keeps_the_function():
    conv = torch.nn.Conv2d(12, 8, (3, 2), stride=2, padding=1, groups=4)
    x = torch.rand(2, 12, 7, 6)
    layer = KWConv2d.from_static(conv, cell_num_ratio=2.0, cell_outplane_ratio=0.5)
    assert isinstance(layer, KWConv)
    assert torch.allclose(layer(x), conv(x), atol=1e-5)
    with pytest.raises(ValueError, match="cell_num_ratio: expected at least 1"):
        KWConv2d.from_static(torch.nn.Conv2d(8, 8, 2), cell_num_ratio=0.5)
