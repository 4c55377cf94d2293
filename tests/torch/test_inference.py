"""`optimize_for_inference`: a copy that computes the same, of every kind of network."""

from __future__ import annotations

import copy
import io
import pickle

import pytest
import torch
from test_tools_fx import images, small
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from odconv_torch import (
    CondConv2d,
    KWConv2d,
    ODConv1d,
    ODConv2d,
    Routing,
    WEConv2d,
    create_model,
    list_models,
    optimize_for_inference,
    set_strategy,
    set_temperature,
    watch_attentions,
)
from odconv_torch.tools.inference import fold_norms
from tests.quick import quick

FAMILIES = ("_resnet18", "_resnet50", "_mobilenetv2_050", "_shufflenetv2_050")
NETWORKS = [name for name in list_models() if f"_{name}".endswith(FAMILIES)]
QUICK = (
    *("mobilenetv2_050", "od_mobilenetv2_050", "od_shufflenetv2_050", "dy_resnet50"),
    *("cond_mobilenetv2_050", "cgc_resnet18", "dcd_mobilenetv2_050", "fdconv_resnet18"),
    *("we_resnet18", "kw_resnet18", "weightnet_shufflenetv2_050", "cbam_resnet18"),
)


def tame(model):
    """Statistics and temperature of their own, and values of the size that trained ones have."""
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1 and "bias" not in name:
            nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
    set_temperature(model, 0.9)
    return model


def close(model, other, x, rtol=1e-5):
    with torch.inference_mode():
        found, expected = model(x), other(x)
    assert (found - expected).abs().max() <= rtol * expected.abs().max()
    assert found.shape == expected.shape and found.dtype == expected.dtype


@pytest.mark.parametrize("name", quick(QUICK, NETWORKS))
def test_a_copy_computes_the_same(name):
    model = tame(small(name))
    before = copy.deepcopy(model.state_dict())
    fast = optimize_for_inference(model)
    for batch in (1, 2):
        close(fast, model, images(batch))
    assert type(fast) is type(model) and fast is not model
    assert all(torch.equal(model.state_dict()[key], array) for key, array in before.items())
    assert not any(parameter.requires_grad for parameter in fast.parameters())


@pytest.mark.parametrize("name", ["od_mobilenetv2_050", "od_resnet18", "dy_resnet18"])
def test_no_norm_is_left(name):
    fast = optimize_for_inference(tame(small(name)))
    assert not any(isinstance(module, _BatchNorm) for module in fast.modules())
    assert all(m.inplace for m in fast.modules() if isinstance(m, nn.ReLU6))


def test_it_takes_fewer_operations():
    model, x = tame(small("od_mobilenetv2_050", kernel_num=4)), images(1)
    fast = optimize_for_inference(model)
    assert operations(fast, x) < 0.8 * operations(model, x)


def operations(model, x):
    with torch.inference_mode(), torch.profiler.profile() as profile:
        model(x)
    return sum(event.name.startswith("aten::") for event in profile.events())


def test_the_temperature_is_that_of_the_moment():
    model, x = tame(small("od_resnet18", kernel_num=3)), images()
    set_temperature(model, 5.0)
    fast = optimize_for_inference(model)
    set_temperature(fast, 1.0)
    close(fast, model, x)
    set_temperature(model, 1.0)
    with torch.inference_mode():
        assert not torch.allclose(fast(x), model(x), rtol=1e-3)


def test_attentions_are_seen():
    model, x = tame(small("od_resnet18")), images()
    fast = optimize_for_inference(model)
    seen = []
    for network in (model, fast):
        with torch.no_grad(), watch_attentions(network) as found:
            network(x)
        seen.append(found)
    for before, after in zip(*seen, strict=True):
        assert before.path == after.path and before.attentions.keys() == after.attentions.keys()
        for name, values in before.attentions.items():
            torch.testing.assert_close(after.attentions[name], values)


class Own(nn.Module):
    """A network of a user: one layer called twice, a map used twice, values that decide."""

    def __init__(self, decides):
        super().__init__()
        self.decides = decides
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.SiLU())
        self.conv, self.norm = ODConv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.twice, self.behind = ODConv2d(8, 8, 1), nn.BatchNorm2d(8)
        self.routing, self.routed = (
            Routing(8, 3),
            CondConv2d(8, 8, 1, kernel_num=3, router="shared"),
        )
        self.last, self.relu = nn.BatchNorm2d(8), nn.ReLU()
        self.cells, self.cell_norm = KWConv2d(8, 16, 3), nn.BatchNorm2d(16)
        self.excited = WEConv2d(16, 4, 3)

    def forward(self, x):
        if self.decides and x.mean() > 100:
            return x
        x = self.norm(self.conv(self.stem(x)))
        y = self.twice(x)
        y = self.behind(self.twice(y)) + y
        y = self.last(self.routed(y, self.routing(y)))
        y = y + self.relu(y)
        return self.excited(self.cell_norm(self.cells(y))).flatten(1)


@pytest.mark.parametrize("decides", [False, True])
@pytest.mark.parametrize("channels_last", [False, True])
def test_a_network_of_your_own(decides, channels_last):
    torch.manual_seed(0)
    model = tame(Own(decides)).eval()
    fast = optimize_for_inference(model, channels_last=channels_last)
    for batch in (1, 3):
        close(fast, model, torch.randn(batch, 3, 14, 12))
    norms = {n for n, m in fast.named_children() if isinstance(m, nn.BatchNorm2d)}
    kept = {"behind", "last", "cell_norm"} if not decides else {"norm"}  # traced part by part
    assert kept <= norms and isinstance(fast.excited, nn.Conv2d)
    assert isinstance(fast.stem[1], nn.Identity) and fast.stem[2].inplace
    assert not fast.relu.inplace and not model.stem[2].inplace


def test_hooks_and_changed_layers_stay():
    model = tame(small("od_resnet18"))
    calls = []
    model.bn1.register_forward_hook(lambda *call: calls.append("bn1"))
    attention = model.layer1[0].conv1.attention
    attention.register_forward_hook(lambda *call: calls.append("attention"))
    changed = model.layer1[0].conv2.attention
    changed.fc.forward = lambda x: x.new_ones(len(x), changed.fc.out_channels, 1, 1)
    fast = optimize_for_inference(model)
    close(fast, model, images())
    assert sorted(set(calls)) == ["attention", "bn1"] and len(calls) == 4


@pytest.mark.parametrize("strategy", ["samples", "tiled", "portable"])
def test_a_form_that_was_asked_for_stays(strategy):
    model = tame(small("od_mobilenetv2_050"))
    set_strategy(model, strategy)
    fast = optimize_for_inference(model)
    assert {m.strategy.name for m in fast.modules() if isinstance(m, ODConv2d)} == {strategy}
    close(fast, model, images())


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions(dtype):
    model = tame(small("od_mobilenetv2_050")).to(dtype)
    fast, x = optimize_for_inference(model), images().to(dtype)
    close(fast, model, x, 1e-12 if dtype == torch.float64 else 5e-2)
    assert {p.dtype for p in fast.state_dict().values()} == {dtype}


def test_autocast_and_gradients_of_the_input():
    model = tame(small("od_mobilenetv2_050"))
    fast = optimize_for_inference(model)
    with torch.autocast("cpu", torch.bfloat16):
        close(fast, model, images(), 5e-2)
    slopes = []
    for network in (model, fast):
        x = images().requires_grad_()
        network(x).square().sum().backward()
        slopes.append(x.grad)
    torch.testing.assert_close(*slopes, rtol=1e-4, atol=1e-5)


def test_a_copy_is_copied_and_pickled():
    fast, x = optimize_for_inference(tame(small("od_mobilenetv2_050"))), images()
    other = optimize_for_inference(tame(small("od_mobilenetv2_050")))
    other.load_state_dict(fast.state_dict())
    file = io.BytesIO()
    torch.save(fast, file)
    file.seek(0)
    twins = (copy.deepcopy(fast), pickle.loads(pickle.dumps(fast)), other)
    for twin in (*twins, torch.load(file, weights_only=False)):
        with torch.inference_mode():
            assert torch.equal(twin(x), fast(x))


@pytest.mark.parametrize("name", ["od_resnet18", "dy_mobilenetv2_050"])
def test_a_copy_is_exported(name):
    fast = optimize_for_inference(tame(small(name)))
    batch = torch.export.Dim("batch", min=1, max=8)
    program = torch.export.export(fast, (images(),), dynamic_shapes=({0: batch},))
    for count in (1, 5):
        close(program.module(), fast, images(count))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["od_resnet18", "od_mobilenetv2_050", "dy_mobilenetv2_050"])
def test_a_copy_is_compiled(name):
    fast = optimize_for_inference(tame(small(name)))
    compiled = torch.compile(fast, fullgraph=True, dynamic=True)
    for batch in (2, 3):
        close(compiled, fast, images(batch))


def test_a_lone_layer():
    layer, x = tame(ODConv1d(4, 6, 3)).eval(), torch.randn(2, 4, 9)
    close(optimize_for_inference(layer), layer, x)
    static = optimize_for_inference(WEConv2d(4, 6, 3).eval())
    assert type(static) is nn.Conv2d


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (ODConv2d(4, 6, 3), "evaluation mode, received one in training mode; call model.eval"),
        (nn.Sequential(ODConv2d(4, 6, 3)).eval().append(nn.ReLU()), "received '1' in training"),
        (create_model("od_resnet18", device="meta").eval(), "'conv1.weight' on the meta device"),
    ],
)
def test_what_cannot_be_optimized(model, message):
    with pytest.raises(ValueError, match=message):
        optimize_for_inference(model)


def test_norms_alone_are_folded_in_place():
    model, x = tame(small("od_resnet18")), images()
    expected = copy.deepcopy(model)
    assert fold_norms(model) is model and isinstance(model.bn1, nn.Identity)
    close(model, expected, x)
    assert model.layer1[0].conv1.spec.bias
