"""torch.fx: networks trace, and each of our layers is one call of the graph."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from helpers import KINDS, LAYERS, randomised
from torch import fx, nn
from torch.ao.quantization import get_default_qconfig_mapping
from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx

from odconv_spec import DynamicConvSpec, model_spec
from odconv_torch import CondConv2d, Routing, create_model, list_models, set_temperature
from odconv_torch.layers import BatchNorm2d, DynamicConv

SMALL = {
    "resnet": {"stages": [[16, 1], [16, 1]], "stem_channels": 16},
    "mobilenetv2": {"stages": [[1, 16, 1, 1], [3, 24, 2, 2]]},
    "shufflenetv2": {"stages": [[16, 2], [20, 1]], "stem_channels": 8},
}


def small(name, **options):
    torch.manual_seed(0)
    family = model_spec(name).family
    model = create_model(name, num_classes=5, **SMALL[family], **options)
    # With random arrays in all of its layers a DCD network grows beyond all bounds.
    return (model if name.startswith("dcd_") else randomised(model)).eval()


def images(batch=2):
    return torch.randn(batch, 3, 32, 40, generator=torch.Generator().manual_seed(1))


def leaves(graph_module):
    return [graph_module.get_submodule(n.target) for n in calls(graph_module)]


def calls(graph_module):
    return [node for node in graph_module.graph.nodes if node.op == "call_module"]


@pytest.mark.parametrize("name", list_models())
def test_a_traced_network_computes_the_same(name):
    model, x = small(name), images()
    traced = fx.symbolic_trace(model)
    with torch.no_grad():
        assert torch.equal(traced(x), model(x))
    convs = [m for m in model.modules() if isinstance(m, DynamicConv)]
    assert len([m for m in leaves(traced) if isinstance(m, DynamicConv)]) == len(convs)
    dynamic = [c for c, _ in model.spec.maps((32, 40)) if isinstance(c, DynamicConvSpec)]
    assert bool(convs) == bool(dynamic)
    assert set(traced.state_dict()) == set(model.state_dict())


@pytest.mark.slow
@pytest.mark.parametrize("name", list_models())
def test_a_traced_network_stores_the_same(name):
    """At full size, on the meta device."""
    model = create_model(name, device="meta")
    traced = fx.symbolic_trace(model)
    shapes = {key: tensor.shape for key, tensor in model.state_dict().items()}
    assert {key: tensor.shape for key, tensor in traced.state_dict().items()} == shapes


@pytest.mark.parametrize("name", ["od_resnet18", "dy_mobilenetv2_050", "cond_resnet18"])
def test_a_traced_network_lives_on(name):
    model, x = small(name), images()
    traced = fx.symbolic_trace(model)
    for twin in (copy.deepcopy(traced), pickle.loads(pickle.dumps(traced))):
        assert torch.equal(twin(x), model(x))
        model.set_temperature(7.0)
        set_temperature(twin, 7.0)
        assert torch.equal(twin(x), model(x))
        model.set_temperature(1.0)
    other = copy.deepcopy(model)
    with torch.no_grad():
        for tensor in other.parameters():
            tensor.mul_(0.9)
    traced.load_state_dict(other.state_dict(), strict=True)
    assert torch.equal(traced(x), other(x))


@pytest.mark.parametrize("name", ["od_mobilenetv2_050", "dy_resnet18", "resnet18"])
def test_a_traced_network_trains(name):
    model = small(name).train()
    twin = copy.deepcopy(model)
    traced = fx.symbolic_trace(model)
    torch.manual_seed(1)
    traced(images()).square().sum().backward()
    torch.manual_seed(1)
    twin(images()).square().sum().backward()
    for (path, found), expected in zip(traced.named_parameters(), twin.parameters(), strict=True):
        assert torch.equal(found.grad, expected.grad), path
    for found, expected in zip(traced.buffers(), twin.buffers(), strict=True):
        assert torch.equal(found, expected)


def test_a_body_traces():
    body = small("od_resnet18", features_only=True, out_indices=(0, 2))
    traced = fx.symbolic_trace(body)
    for twin in (traced, pickle.loads(pickle.dumps(traced))):
        for found, expected in zip(twin(images()), body(images()), strict=True):
            assert torch.equal(found, expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_layers_in_a_network_of_a_user(kind, rank):
    layer = LAYERS[kind][rank - 1](4, 6, 3)
    traced = fx.symbolic_trace(nn.Sequential(nn.ReLU(), layer))
    assert [type(m) for m in leaves(traced)] == [nn.ReLU, type(layer)]
    x = torch.randn(2, 4, *(5, 6, 7)[:rank])
    assert torch.equal(traced(x), layer(x.relu()))


def test_a_shared_router_and_arguments_by_name():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.routing = Routing(4, 3)
            self.conv = CondConv2d(4, 6, 3, kernel_num=3, router="shared")

        def forward(self, x):
            return self.conv(x=x, routing=self.routing(input=x))

    block, x = Block(), torch.randn(2, 4, 5, 6)
    traced = fx.symbolic_trace(block)
    assert [type(m) for m in leaves(traced)] == [Routing, CondConv2d]
    assert torch.equal(traced(x), block(x))


@pytest.mark.parametrize("module", [BatchNorm2d(4), Routing(4, 3)], ids=str)
def test_parts_are_leaves_too(module):
    traced = fx.symbolic_trace(nn.Sequential(module.eval()))
    assert leaves(traced) == [module]
    x = torch.randn(2, 4, 1, 1)
    assert torch.equal(traced(x), module(x))


def test_a_layer_alone():
    with pytest.raises(ValueError, match=r"ODConv2d: expected a network around it.*Sequential"):
        fx.symbolic_trace(LAYERS["od"][1](4, 6, 3))


@pytest.mark.filterwarnings("ignore")  # this way of quantisation is leaving torch
@pytest.mark.parametrize("name", ["od_resnet18", "resnet18", "dy_mobilenetv2_050"])
def test_quantisation_of_the_static_parts(name):
    """Static convolutions and classifiers become int8, dynamic ones stay as they are."""
    torch.manual_seed(0)
    torch.backends.quantized.engine = "x86"
    start = {} if name == "resnet18" else {"head_init": "published"}
    family = "resnet" if "resnet" in name else "mobilenetv2"
    model, x = create_model(name, num_classes=5, **SMALL[family], **start).train(), images(4)
    for _ in range(20):  # statistics of the batch norms, as after training
        model(x)
    model.eval()
    prepared = prepare_fx(copy.deepcopy(model), get_default_qconfig_mapping("x86"), (x,))
    prepared(x)
    converted = convert_fx(prepared)
    kinds = [type(m).__module__ for m in converted.modules()]
    static = [m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    assert len([k for k in kinds if k.startswith("torch.ao.nn.quantized")]) >= len(static)
    dynamic = {n for n, m in model.named_modules() if isinstance(m, DynamicConv)}
    assert {n for n, m in converted.named_modules() if isinstance(m, DynamicConv)} == dynamic
    error = (converted(x) - model(x)).norm() / model(x).norm()
    assert error < 0.1  # of eight bits in each layer
