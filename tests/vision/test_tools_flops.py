"""Programs that count multiply-adds, against `odconv_spec.multiply_adds`."""

from __future__ import annotations

from math import prod

import ptflops
import pytest
import thop
import torch
import torchinfo
from fvcore.nn import FlopCountAnalysis
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from odconv_spec import DyConvSpec, LinearSpec, ODConvSpec, model_spec, multiply_adds
from odconv_spec.shared import SharedSpec
from odconv_torch import ODConv2d, create_model, set_strategy
from odconv_torch.flops import ptflops_hooks, thop_ops
from odconv_torch.layers.build import DYNAMIC

SIZE = (40, 72)
STATIC = {"od_resnet18": "resnet18", "od_mobilenetv2_050": "mobilenetv2_050"}
NAMES = (*STATIC, "dy_mobilenetv2_050", "cond_resnet18")
LAYERS = [spec.of_rank(layers, 2) for spec, layers in DYNAMIC.items()]
PLAIN = {"count_functional": False}


def head_mean(name):
    """The mean before a linear classifier is no module, and no counter counts means."""
    spec, size = list(model_spec(name).maps(SIZE))[-1]
    return spec.in_channels * prod(size) if isinstance(spec, LinearSpec) else 0


def arithmetic(name):
    """Convolutions and products alone: without means, and without what scales maps and taps."""
    total = multiply_adds(model_spec(name), SIZE)
    for spec, size in model_spec(name).maps(SIZE):
        inputs = spec.in_channels * prod(size)
        own_router = getattr(spec, "router", "none") == "own"
        if isinstance(spec, LinearSpec | SharedSpec | DyConvSpec) or own_router:
            total -= inputs
        if isinstance(spec, ODConvSpec):
            heads = spec.heads()
            outputs = spec.out_channels * prod(spec.output_size(size))
            total -= inputs + inputs * ("channel_fc" in heads) + outputs * ("filter_fc" in heads)
            total -= prod(spec.kernel_shape) * ("spatial_fc" in heads)
    return total


@pytest.mark.parametrize("name", NAMES)
def test_thop(name, batch=2):
    model = create_model(name)
    x = torch.rand(batch, 3, *SIZE)
    found, parameters = thop.profile(model, inputs=(x,), custom_ops=thop_ops(), verbose=False)
    assert found == batch * (multiply_adds(model.spec, SIZE) - head_mean(name))
    assert parameters == model.spec.trainable_count()


@pytest.mark.parametrize("layer", LAYERS)
def test_thop_counts_no_layer_inside_another(layer):
    """ultralytics-thop adds what is counted inside a layer with a rule of its own."""
    made, x = nn.Sequential(layer(16, 32, 3, 2, 1)), torch.rand(2, 16, 20, 14)
    found, _ = thop.profile(made, inputs=(x,), custom_ops=thop_ops(), verbose=False)
    assert found == 2 * multiply_adds(made[0].spec, (20, 14))


def test_thop_counts_in_buffers():
    """thop does, where ultralytics-thop, which installs under the same name, has plain numbers."""
    layer, x = ODConv2d(8, 6, 3), torch.rand(2, 8, 12, 10)
    for module in layer.modules():
        module.register_buffer("total_ops", torch.ones(1, dtype=torch.float64))
    thop_ops()[ODConv2d](layer, (x,), layer(x))
    assert isinstance(layer.total_ops, torch.Tensor) and "total_ops" in dict(layer.named_buffers())
    assert layer.total_ops == 1 + 2 * multiply_adds(layer.spec, (12, 10))
    assert all(inner.total_ops == 0 for inner in layer.modules() if inner is not layer)


@pytest.mark.parametrize(("name", "static"), STATIC.items())
def test_ptflops_by_modules(name, static):
    """It counts activations and more of what both networks have."""
    found = complexity(name, "pytorch") - complexity(static, "pytorch")
    assert found == multiply_adds(model_spec(name), SIZE) - multiply_adds(model_spec(static), SIZE)


@pytest.mark.parametrize("name", STATIC)
def test_ptflops_by_operations(name):
    """It counts biases of products, too."""
    assert complexity(name, "aten") == pytest.approx(arithmetic(name), rel=2e-3)


def complexity(name, backend):
    options = {"as_strings": False, "print_per_layer_stat": False, "verbose": False}
    if backend == "pytorch":
        options |= {"custom_modules_hooks": ptflops_hooks(), "backend_specific_config": PLAIN}
    return ptflops.get_model_complexity_info(
        create_model(name), (3, *SIZE), backend=backend, **options
    )[0]


@torch.no_grad()
@pytest.mark.parametrize("form", ["samples", "patches"])
@pytest.mark.parametrize("name", NAMES)
def test_operations_of_torch(name, form):
    model = create_model(name).eval()
    set_strategy(model, form)
    with FlopCounterMode(display=False) as counter:
        model(torch.rand(1, 3, *SIZE))
    assert counter.get_total_flops() == 2 * arithmetic(name)


@pytest.mark.parametrize("name", ["od_resnet18"])
def test_fvcore(name):
    """It counts norms, too, and what a recorded graph does: in one form what the layer needs."""
    model = create_model(name).eval()
    set_strategy(model, "single")
    analysis = FlopCountAnalysis(model, torch.rand(1, 3, *SIZE))
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    operators = analysis.by_operator()
    assert sum(operators[kind] for kind in ("conv", "linear", "matmul")) == arithmetic(name)


@pytest.mark.parametrize("name", NAMES)
def test_torchinfo_counts_parameters(name):
    model = create_model(name)
    found = torchinfo.summary(model, input_size=(1, 3, *SIZE), verbose=0)
    assert found.total_params == found.trainable_params == model.spec.trainable_count()
    assert found.summary_list[0].output_size == [1, 1000]
