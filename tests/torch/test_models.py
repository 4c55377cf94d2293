"""The networks: names, sizes, options, and behaviour as torch modules."""

from __future__ import annotations

import copy
import gzip
import json
from pathlib import Path

import pytest
import torch

from odconv_spec import model_spec
from odconv_torch import create_model, list_models, set_temperature

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


@pytest.mark.parametrize("name", list_models())
def test_state_dict_is_that_of_the_spec_in_its_order(name):
    state = create_model(name, device="meta").state_dict()
    shapes = [(k, tuple(v.shape)) for k, v in state.items() if not k.endswith("_tracked")]
    assert shapes == [(p.name, p.shape) for p in model_spec(name).parameters()]


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_numbers_of_parameters(name):
    count = sum(p.numel() for p in create_model(name, device="meta").parameters())
    assert round(count / 1e6, 2) == PUBLISHED[name]


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


@pytest.mark.parametrize("name", SMALL)
def test_every_parameter_learns(name):
    model = small(name, **({} if name == "resnet18" else {"head_init": "published"}))
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


@pytest.mark.parametrize("name", ["resnet18", "cond_resnet50"])
def test_a_model_without_a_temperature_to_set(name):
    small(name).set_temperature(30.0)


def test_the_convolutions_of_a_block_share_a_router():
    model = small("cond_resnet50").eval()
    block = model.layer2[0]
    weights = []
    for conv in (block.conv1, block.conv2, block.conv3):
        conv.register_forward_pre_hook(lambda module, inputs: weights.append(inputs[1]))
    block.register_forward_pre_hook(lambda module, inputs: weights.append(inputs[0]))
    model(torch.randn(2, 3, 32, 40))
    x, *routing = weights
    assert [tuple(w.shape) for w in routing] == [(2, 8)] * 3
    for found in routing:
        torch.testing.assert_close(found, block.routing(x), rtol=0, atol=0)


def test_the_classifier_of_condconv_is_a_convolution_of_the_pooled_map():
    model = small("cond_mobilenetv2_050").eval()
    features = torch.randn(3, model.num_features, 2, 5)
    head = model.classifier[1]
    pooled = features.mean((2, 3))
    routing = head.routing(features)
    kernels = torch.einsum("bk,koi->boi", routing, head.weight[..., 0, 0])
    expected = torch.einsum("boi,bi->bo", kernels, pooled) + head.bias
    torch.testing.assert_close(model.forward_head(features), expected)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast(name, dtype):
    model = small(name).eval()
    x = torch.randn(2, 3, 32, 40)
    with torch.autocast("cpu", dtype):
        y = model(x)
    torch.testing.assert_close(y.float(), model(x), rtol=0.1, atol=0.1)


@pytest.mark.parametrize("name", SMALL)
def test_channels_last(name):
    model = small(name).double().eval()
    x = torch.randn(2, 3, 32, 40, dtype=torch.float64)
    y = model(x)
    last = model.to(memory_format=torch.channels_last)
    torch.testing.assert_close(last(x.to(memory_format=torch.channels_last)), y)
    assert next(model.parameters()).is_contiguous(memory_format=torch.channels_last)  # the stem


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


@pytest.mark.parametrize("name", ["mobilenetv2_050", "cond_mobilenetv2_050", "cond_resnet18"])
def test_classifiers_start_small(name):
    """Ten logits of Kaiming normal kernels over the fan-out would be about 20."""
    torch.manual_seed(0)
    model = create_model(name, num_classes=10)
    head = model.fc if "resnet" in name else model.classifier[1]
    assert head.weight.detach().std() == pytest.approx(0.01, rel=0.03)
    assert not head.bias.any()
