"""What people put around a network: averages, checkpointing, traces, compilers, pruning."""

from __future__ import annotations

import copy
from itertools import chain

import pytest
import torch
from helpers import KINDS, LAYERS, randomised
from torch import nn
from torch.nn.utils import prune
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.checkpoint import checkpoint

from odconv_torch import ODConv2d, TemperatureScheduler, set_temperature


def made(kind, seed=0, **options):
    layer = LAYERS[kind][1](4, 6, 3, padding=1, dtype=torch.float64, **options)
    return randomised(layer, seed).eval()


def some_map(batch=3):
    return torch.randn(batch, 4, 5, 7, dtype=torch.float64)


def close(found, expected, tolerance=1e-12):
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("buffers", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_an_averaged_model(kind, buffers):
    """Without `use_buffers`, running statistics and temperature are those of the last model."""
    models = [made(kind, seed) for seed in (0, 1)]
    average = get_ema_multi_avg_fn(0.75)
    averaged = AveragedModel(models[0], multi_avg_fn=average, use_buffers=buffers)
    for model, temperature in zip(models, (3.0, 2.0), strict=True):
        set_temperature(model, temperature)
        averaged.update_parameters(model)
    expected = copy.deepcopy(models[1])
    blended = expected.named_parameters()
    if buffers:
        set_temperature(expected, 0.75 * 3 + 0.25 * 2)
        blended = chain(blended, expected.named_buffers())
    first = models[0].state_dict()
    with torch.no_grad():
        for name, value in blended:
            if name in first and value.is_floating_point():
                value.mul_(0.25).add_(0.75 * first[name])
    x = some_map()
    close(averaged(x), expected(x))


def test_a_scheduler_of_two_models():
    """Averages that copy only what is stored keep the temperature of their start."""
    model = nn.Sequential(made("od"))
    average = copy.deepcopy(model)
    scheduler = TemperatureScheduler(nn.ModuleList([model, average]), steps=2)
    assert model[0].attention.temperature == average[0].attention.temperature == 30
    for _ in range(2):
        scheduler.step()
    assert model[0].attention.temperature == average[0].attention.temperature == 1


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_checkpointing(kind, reentrant):
    """The batch norm of the attention sees the batch twice, as any batch norm does."""
    layer = made(kind).train()
    plain = copy.deepcopy(layer)
    x = some_map().requires_grad_()
    same = x.detach().clone().requires_grad_()
    y = checkpoint(layer, x, use_reentrant=reentrant)
    expected = plain(same)
    close(y, expected)
    y.square().sum().backward()
    expected.square().sum().backward()
    close(x.grad, same.grad)
    for value, other in zip(layer.parameters(), plain.parameters(), strict=True):
        close(value.grad, other.grad)


@torch.no_grad()
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_a_jit_trace_holds_for_another_batch(kind):
    layer = made(kind)
    traced = torch.jit.trace(layer, (some_map(2),))
    for batch in (1, 2, 5):
        x = some_map(batch)
        close(traced(x), layer(x))


@pytest.mark.parametrize("kind", ["od", "dy"])
def test_a_compiled_model_sees_the_temperature(kind):
    layer = made(kind)
    compiled = torch.compile(nn.Sequential(layer), backend="eager", fullgraph=True)
    x = some_map()
    first = compiled(x)
    for temperature in (5.0, 0.5):
        set_temperature(compiled, temperature)
        found = compiled(x)
        close(found, layer(x))
        assert not torch.allclose(found, first)


@pytest.mark.parametrize("kind", KINDS)
def test_pruned_kernels(kind):
    layer, expected = made(kind), made(kind)
    prune.l1_unstructured(layer, "weight", 0.5)
    limit = expected.weight.detach().abs().median()
    with torch.no_grad():
        expected.weight[expected.weight.abs() <= limit] = 0
    x = some_map()
    close(layer(x), expected(x))
    prune.remove(layer, "weight")
    assert set(layer.state_dict()) == set(expected.state_dict())
    close(layer(x), expected(x))


def test_pruned_output_channels():
    """Axis 1 of the bank has the outputs, where axis 0 of a convolution's kernel has them."""
    layer = made("od")
    prune.ln_structured(layer, "weight", 0.5, n=2, dim=1)
    y = layer(some_map())
    assert int((y == 0).all(dim=(2, 3)).all(dim=0).sum()) == 3


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_channels_last(kind):
    layer = made(kind)
    x = some_map()
    expected = layer(x)
    layer.to(memory_format=torch.channels_last)
    close(layer(x.to(memory_format=torch.channels_last)), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_autocast_in_bfloat16(kind):
    layer = made(kind).float()
    x = some_map().float().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = layer(x)
    assert y.dtype == torch.bfloat16
    expected = layer(x)
    torch.testing.assert_close(y.float(), expected, rtol=0, atol=0.04 * expected.abs().max().item())
    y.sum().backward()
    assert all(p.grad.dtype == torch.float32 for p in layer.parameters() if p.grad is not None)


@torch.no_grad()
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*quantize_per_tensor")
def test_quantised_linear_layers_beside_ours():
    net = nn.Sequential(made("od").float(), nn.Flatten(), nn.Linear(6 * 35, 3))
    x = some_map().float()
    expected = net(x)
    quantised = torch.ao.quantization.quantize_dynamic(net, {nn.Linear, nn.Conv2d}, torch.qint8)
    assert isinstance(quantised[0], ODConv2d)
    torch.testing.assert_close(
        quantised(x), expected, rtol=0, atol=0.05 * expected.abs().max().item()
    )
