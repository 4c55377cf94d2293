"""The networks: names, sizes, options, and behaviour as torch modules."""

from __future__ import annotations

import copy
import gzip
import json
from pathlib import Path

import pytest
import torch
from torch import nn

from odconv_spec import model_spec
from odconv_torch import create_model, list_models
from odconv_torch.layers import DynamicConv
from tests.quick import quick

GOLDEN = Path(__file__).parents[2] / "parity_tests" / "golden" / "official_names.json.gz"
OFFICIAL = json.loads(gzip.decompress(GOLDEN.read_bytes()))
RESNET = {"stages": [[8, 1], [12, 1]], "stem_channels": 8}
MOBILENET = {"stages": [[1, 16, 1, 1], [3, 24, 2, 2]]}
SMALL = {
    "resnet18": RESNET,
    "od_resnet18": RESNET,
    "od_resnet50": RESNET,
    "od_mobilenetv2_050": MOBILENET,
    "dy_resnet18": RESNET | {"reduction": 1.0},
    "dy_mobilenetv2_050": MOBILENET | {"reduction": 1.0},
    "cond_resnet50": RESNET,
    "cond_mobilenetv2_050": MOBILENET,
}
PUBLISHED = {  # millions of parameters, of ODConv's tables 1 and 2
    "resnet18": 11.69,
    "resnet50": 25.56,
    "cond_resnet18": 81.35,
    "cond_resnet50": 129.87,
    "dy_resnet18": 45.47,
    "dy_resnet50": 100.87,
    "cond_mobilenetv2_100": 22.88,
    "dy_mobilenetv2_100": 12.40,
    "dy_mobilenetv2_050": 4.57,
}


def small(name, **options):
    torch.manual_seed(0)
    return create_model(name, num_classes=5, **SMALL[name] | options)


# Deeper and wider ones have the same parts, and tests/spec has the names of each.
SHALLOW = [name for name in list_models() if name.endswith(("resnet18", "mobilenetv2_050"))]


@pytest.mark.parametrize("name", quick(SHALLOW, list_models()))
def test_state_dict_is_that_of_the_spec_in_its_order(name):
    state = create_model(name, device="meta").state_dict()
    shapes = [(k, tuple(v.shape)) for k, v in state.items() if not k.endswith("_tracked")]
    assert shapes == [(p.name, p.shape) for p in model_spec(name).parameters()]


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_numbers_of_parameters(name):
    count = sum(p.numel() for p in create_model(name, device="meta").parameters())
    assert round(count / 1e6, 2) == PUBLISHED[name]


# The spec has the official names of every entry (tests/spec/test_official_names.py), and every
# model those of its spec.
FEW = ("resnet18", "od_resnet18/1", "od_resnet18/4", "od_resnet50/2", "od_mobilenetv2_050/4")


@pytest.mark.parametrize("entry", quick(FEW, OFFICIAL))
def test_state_dict_is_the_official_one(entry):
    name, _, kernel_num = entry.partition("/")
    options = {"kernel_num": int(kernel_num)} if kernel_num else {}
    state = create_model(name, device="meta", **options).state_dict()
    shapes = {k: list(v.shape) for k, v in state.items() if not k.endswith("num_batches_tracked")}
    assert shapes == OFFICIAL[entry]
    assert list(shapes) == list(OFFICIAL[entry])


@pytest.mark.parametrize("name", quick(["od_resnet18"], ["od_resnet18", "od_resnet50"]))
def test_an_official_file_loads_strictly(tmp_path, name):
    """As the official script writes it: a wrapped state dict from a DataParallel model."""
    names = OFFICIAL[f"{name}/1"]
    state = {f"module.{name}": torch.randn(shape) for name, shape in names.items()}
    torch.save({"epoch": 100, "state_dict": state, "best_acc": 77.9}, tmp_path / "od.pth.tar")
    loaded = torch.load(tmp_path / "od.pth.tar", weights_only=True)["state_dict"]
    model = create_model(name)
    missing = model.load_state_dict(
        {name.removeprefix("module."): value for name, value in loaded.items()}, strict=True
    )
    assert not missing.missing_keys
    assert not missing.unexpected_keys
    assert all(torch.equal(model.state_dict()[n], state[f"module.{n}"]) for n in names)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast(name, dtype):
    model = small(name).eval()
    x = torch.randn(2, 3, 32, 40)
    with torch.autocast("cpu", dtype):
        y = model(x)
    torch.testing.assert_close(y.float(), model(x), rtol=0.1, atol=0.1)


@pytest.mark.parametrize("name", SHALLOW)
def test_channels_last(name):
    torch.manual_seed(0)
    options = RESNET if "resnet" in name else MOBILENET
    model = create_model(name, num_classes=5, **options).double().eval()
    x = torch.randn(2, 3, 32, 40, dtype=torch.float64)
    y = model(x)
    last = model.to(memory_format=torch.channels_last)
    outputs = []
    for module in model.modules():
        if isinstance(module, DynamicConv):
            module.register_forward_hook(lambda module, inputs, output: outputs.append(output))
    torch.testing.assert_close(last(x.to(memory_format=torch.channels_last)), y)
    kernels = [module.weight for module in model.modules() if type(module) is nn.Conv2d]
    assert all(kernel.is_contiguous(memory_format=torch.channels_last) for kernel in kernels)
    with torch.no_grad():
        last(x.to(memory_format=torch.channels_last))
    assert all(y.is_contiguous(memory_format=torch.channels_last) for y in outputs)


@pytest.mark.parametrize("name", [*SMALL, "shufflenetv2_050"])
@pytest.mark.parametrize("trains", [False, True])
def test_what_works_in_place_changes_no_map_that_is_seen(name, trains):
    torch.manual_seed(0)
    model = create_model(name, **SMALL.get(name, {})).eval()
    x = torch.randn(2, 3, 64, 72, requires_grad=trains)
    given = x.detach().clone()
    with torch.set_grad_enabled(trains):
        maps = model.forward_stages(x)
        for index, seen in enumerate(maps):
            assert torch.equal(seen, model.forward_stages(x, (index,))[0])
        if trains:
            sum(seen.square().mean() for seen in maps).backward()
    assert torch.equal(x, given)


def test_deepcopy_is_independent():
    model = small("od_mobilenetv2_050")
    twin = copy.deepcopy(model)
    twin.set_temperature(5.0)
    with torch.no_grad():
        next(twin.parameters()).zero_()
    assert next(model.parameters()).any()
    assert all(m.temperature == 1 for m in model.modules() if hasattr(m, "temperature"))
