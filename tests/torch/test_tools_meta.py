"""Layers that are made without values: the temperature, which no checkpoint has, is 1 all the same.

timm, transformers, accelerate and FSDP build networks on the meta device and fill them later.
"""

from __future__ import annotations

import copy
import io
import pickle

import pytest
import torch
from helpers import KINDS, LAYERS, randomised
from torch import nn

from odconv_spec import KWConvSpec, share_warehouses
from odconv_spec.choice import KINDS as SPECS
from odconv_spec.choice import dynamic_kinds
from odconv_torch import create_model, set_temperature
from odconv_torch.layers import build_layer

MODELS = [(kind, rank) for kind in KINDS for rank in (1, 2, 3)]
NETWORKS = ("od_mobilenetv2_050", "dy_mobilenetv2_050", "cond_mobilenetv2_050")
STAGES = [[1, 16, 1, 1], [3, 24, 1, 2]]


def build(case):
    if isinstance(case, str):
        return create_model(case, num_classes=5, stages=STAGES)
    kind, rank = case
    return LAYERS[kind][rank - 1](4, 6, 3, padding=1, bias=True)


def pair(case):
    """A module with random arrays in evaluation, its twin on the meta device, and an input."""
    torch.manual_seed(0)
    model = randomised(build(case)).eval()
    with torch.device("meta"):
        twin = build(case).eval()
    shape = (2, 3, 16, 24) if isinstance(case, str) else (2, 4, *(5, 6, 7)[: case[1]])
    return model, twin, torch.randn(shape)


def temperatures(model):
    return [b for n, b in model.named_buffers() if n.endswith("temperature")]


def same(twin, model, x):
    assert all(value.device.type == "cpu" and value == 1 for value in temperatures(twin))
    with torch.no_grad():
        assert torch.equal(twin(x), model(x))


CASES = pytest.mark.parametrize("case", [*MODELS, *NETWORKS], ids=str)
OPTIONS = {"in_channels": 4, "kernel_size": 3, "bias": True}
BASIS = {**OPTIONS, "warehouse": "a", "nonlocal_basis_ratio": 0.5}
EVERY = [
    *(spec(out_channels=8, **OPTIONS) for spec in dynamic_kinds() if spec.kind in SPECS),
    share_warehouses([KWConvSpec(out_channels=width, **BASIS) for width in (8, 12)])[0][1],
]
FEW = pytest.mark.parametrize("case", [("od", 2), ("dy", 1)], ids=str)


@CASES
def test_assigned(case):
    model, twin, x = pair(case)
    twin.load_state_dict(model.state_dict(), strict=True, assign=True)
    same(twin, model, x)


@CASES
def test_made_empty_and_loaded(case):
    model, twin, x = pair(case)
    twin.to_empty(device="cpu")
    twin.load_state_dict(model.state_dict(), strict=True)
    same(twin, model, x)


@CASES
def test_called_with_arrays(case):
    model, twin, x = pair(case)
    with torch.no_grad():
        found = torch.func.functional_call(twin, model.state_dict(), x)
        assert torch.equal(found, model(x))


@CASES
def test_copied_and_pickled_on_the_way(case):
    model, twin, x = pair(case)
    buffer = io.BytesIO()
    torch.save(twin, buffer)
    buffer.seek(0)
    loaded = torch.load(buffer, weights_only=False)
    for other in (copy.deepcopy(twin), pickle.loads(pickle.dumps(twin)), loaded):
        other.load_state_dict(model.state_dict(), assign=True)
        same(other, model, x)


@CASES
def test_started_late(case):
    """Of one module after the other, as FSDP does, or of all that timm asks for."""
    _, twin, x = pair(case)
    twin.to_empty(device="cpu")
    for module in twin.modules():
        if hasattr(module, "init_non_persistent_buffers"):
            module.temperature.fill_(float("nan"))
            module.init_non_persistent_buffers()
    assert all(value == 1 for value in temperatures(twin))
    for module in twin.modules():
        if [*module.parameters(recurse=False), *module.buffers(recurse=False)]:
            module.to_empty(device="cpu", recurse=False)
            module.reset_parameters()
    assert all(value == 1 for value in temperatures(twin))
    assert torch.isfinite(twin(x)).all()


@pytest.fixture
def garbage(monkeypatch):
    """Memory that is given out without values has NaNs."""
    monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", True)
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.usefixtures("garbage")
@pytest.mark.parametrize("spec", EVERY, ids=lambda spec: spec.kind)
def test_every_kind_started_late(spec):
    with torch.device("meta"):
        layer = build_layer(spec)
    layer.to_empty(device="cpu")
    assert all(value.isnan().all() for value in layer.parameters())
    for module in layer.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    for name, value in [*layer.named_parameters(), *layer.named_buffers()]:
        assert value.isfinite().all(), name
    assert not getattr(layer, "bias", torch.zeros(1)).any()


@CASES
def test_shapes_without_values(case):
    _, twin, x = pair(case)
    y = twin(x.to("meta"))
    assert y.device.type == "meta"
    assert y.shape == build(case).eval()(x).shape


@CASES
def test_a_temperature_that_others_moved(case):
    """accelerate's `init_empty_weights(include_buffers=True)` does so, against what layers say."""
    model, twin, x = pair(case)
    for module in twin.modules():
        for name, value in module.named_buffers(recurse=False):
            setattr(module, name, value.to("meta"))
    twin.load_state_dict(model.state_dict(), strict=True, assign=True)
    with torch.no_grad():
        assert torch.equal(twin(x), model(x))
    set_temperature(model, 3.0)
    set_temperature(twin, 3.0)
    with torch.no_grad():
        assert torch.equal(twin(x), model(x))
    twin.to("meta").to_empty(device="cpu")
    assert all(value == 3 for value in temperatures(twin))


@FEW
def test_changes_keep_the_value(case):
    model = build(case)
    set_temperature(model, 3.5)
    for change in (
        lambda m: m.to(torch.float64),
        lambda m: m.half(),
        lambda m: m.to(torch.bfloat16),
        lambda m: m.float(),
        lambda m: m.share_memory(),
        lambda m: m.to("meta"),
        lambda m: m.to(torch.float64),
        lambda m: m.to_empty(device="cpu"),
        lambda m: m.train().requires_grad_(False),
        copy.deepcopy,
    ):
        model = change(model)
        (value,) = temperatures(model)
        assert (value.item(), value.device.type) == (3.5, "cpu")
        assert value.dtype == next(model.parameters()).dtype


@FEW
def test_dtype_on_the_meta_device(case):
    kind, rank = case
    layer = LAYERS[kind][rank - 1](4, 6, 3, device="meta", dtype=torch.bfloat16)
    assert [value.dtype for value in temperatures(layer)] == [torch.bfloat16]
    layer = LAYERS[kind][rank - 1](4, 6, 3).to("meta", torch.float64)
    assert [value.dtype for value in temperatures(layer)] == [torch.float64]


@FEW
def test_a_module_around_it(case):
    """`to_empty` of the whole reaches the layers inside."""
    model, twin, x = pair(case)
    outer, other = nn.Sequential(model), nn.Sequential(twin)
    other.to_empty(device="cpu").load_state_dict(outer.state_dict())
    same(other, outer, x)


@FEW
def test_fake_tensors(case):
    """Shapes of another device, without it: what compilers and planners of memory run."""
    mode = torch._subclasses.FakeTensorMode()
    with mode:
        layer = build(case)
        x = torch.empty(2, 4, *(5, 6, 7)[: case[1]])
        assert layer(x).shape[:2] == (2, 6)
    real = build(case)
    real._apply(torch._subclasses.FakeTensorMode().from_tensor)
    assert type(temperatures(real)[0]).__name__ == "FakeTensor"
