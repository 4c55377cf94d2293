"""SE, CBAM and ECA: what all frameworks must do, and what PyTorch has besides."""

from __future__ import annotations

import copy

import pytest
import torch
from helpers import close, randomised
from torch import nn

from odconv_torch import CBAM, EfficientChannelAttention, SqueezeExcitation

LAYERS = {
    "se": lambda **options: SqueezeExcitation(6, 2, **options),
    "cbam": lambda **options: CBAM(6, 2, **options),
    "eca": lambda **options: EfficientChannelAttention(6, **options),
}


@pytest.fixture(params=LAYERS)
def layer(request):
    return randomised(LAYERS[request.param](dtype=torch.float64)).eval()


@pytest.mark.parametrize(
    "layer",
    [
        pytest.param("se", marks=pytest.mark.slow),
        "cbam",
        pytest.param("eca", marks=pytest.mark.slow),
    ],
    indirect=True,
)
def test_one_compiled_program_for_every_batch(layer):
    compiled = torch.compile(layer, fullgraph=True, backend="eager", dynamic=True)
    for batch in (1, 2, 5):
        x = torch.randn(batch, 6, 5, 4, dtype=torch.float64)
        close(compiled(x), layer(x))


def test_a_layer_is_one_call_of_a_graph(layer):
    graph = torch.fx.symbolic_trace(nn.Sequential(layer))
    assert [node.target for node in graph.graph.nodes if node.op == "call_module"] == ["0"]


def test_copies_and_modes(layer):
    twin, x = copy.deepcopy(layer), torch.randn(2, 6, 5, 4, dtype=torch.float64)
    close(twin(x), layer(x))
    layer.train()
    layer(x).sum().backward()
    assert all(p.grad is not None for p in layer.parameters())
    assert all(p.grad is None for p in twin.parameters())


@pytest.mark.parametrize("kind", LAYERS)
def test_mixed_and_half_precision(kind):
    x = torch.randn(2, 6, 5, 4)
    layer = randomised(LAYERS[kind]()).eval()
    with torch.autocast("cpu", torch.bfloat16):
        mixed = layer(x)
    close(mixed.float(), layer(x), 0.05)
    half = copy.deepcopy(layer).bfloat16()(x.bfloat16())
    assert half.dtype == torch.bfloat16
    close(half.float(), layer(x), 0.1)


@pytest.mark.parametrize("kind", LAYERS)
def test_layers_on_the_meta_device(kind):
    layer = LAYERS[kind](device="meta", dtype=torch.float64)
    assert {p.device.type for p in layer.parameters()} == {"meta"}
    assert {p.dtype for p in layer.parameters()} == {torch.float64}


def test_eca_of_any_width():
    layer = EfficientChannelAttention(kernel_size=3)
    for channels in (4, 7):
        assert layer(torch.rand(2, channels, 5)).shape == (2, channels, 5)
