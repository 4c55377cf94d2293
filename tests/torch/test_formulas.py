"""Every layer against its equation, one sample and one kernel at a time."""

from __future__ import annotations

import pytest
import torch
from helpers import ABLATIONS, KINDS, LAYERS, close, loop, random_map, randomised

GEOMETRIES = (
    {},
    {"groups": 2, "stride": 2, "padding": 1, "bias": True},
    {"groups": 4, "dilation": 2, "padding": 2, "kernel_num": 1},
    {"padding": "same", "kernel_num": 2, "bias": False},
    {"padding": "valid", "kernel_num": 3, "dilation": 2},
)


def compare(layer, batch=3):
    x = random_map(layer.rank, layer.spec.in_channels, batch)
    close(layer(x), loop(layer, x))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("options", GEOMETRIES)
def test_geometry(kind, rank, options):
    layer = LAYERS[kind][rank - 1](4, 8, 3, **options, dtype=torch.float64)
    compare(randomised(layer, rank).eval())


@pytest.mark.parametrize("kind", KINDS)
def test_each_axis_has_its_own_geometry(kind):
    kernel, stride, padding = (3, 2, 1), (1, 2, 3), ((2, 1), (0, 1), (0, 0))
    layer = LAYERS[kind][2](4, 6, kernel, stride, padding, (2, 1, 1), 2, True, dtype=torch.float64)
    compare(randomised(layer).eval())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_padding_modes(kind, mode, rank):
    padding = ((2, 1), (0, 2), (1, 1))[:rank]
    layer = LAYERS[kind][rank - 1](
        4, 6, 3, padding=padding, padding_mode=mode, groups=2, dtype=torch.float64
    )
    compare(randomised(layer).eval())


@pytest.mark.parametrize("options", ABLATIONS)
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_ablations_of_odconv(options, groups, rank):
    layer = LAYERS["od"][rank - 1](
        4, 6, (3, 2, 2)[:rank], groups=groups, bias=True, dtype=torch.float64, **options
    )
    layer = randomised(layer).eval()
    layer.set_temperature(2.5)
    compare(layer)


@pytest.mark.parametrize("kind", KINDS)
def test_depthwise(kind):
    layer = LAYERS[kind][1](4, 4, 3, padding=1, groups=4, bias=True, dtype=torch.float64)
    compare(randomised(layer).eval())


@pytest.mark.parametrize("mix_bias", [True, False])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_biases_of_condconv(mix_bias, rank):
    layer = LAYERS["cond"][rank - 1](4, 6, 3, mix_bias=mix_bias, dtype=torch.float64)
    assert layer.bias.shape == ((8, 6) if mix_bias else (6,))
    compare(randomised(layer))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_one_sample_one_channel_one_pixel(kind, training, rank):
    layer = randomised(LAYERS[kind][rank - 1](1, 1, 3, padding=1, dtype=torch.float64))
    layer = layer.train(training)
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    x = torch.randn(1, 1, *[1] * rank, dtype=torch.float64, requires_grad=True)
    y = layer(x)
    y.sum().backward()
    assert all(torch.equal(before[name], value) for name, value in layer.state_dict().items())
    assert all(torch.isfinite(p.grad).all() for p in layer.parameters())
    close(y, loop(layer.eval(), x))


SOFTMAX = {"spatial_activation": "softmax"}


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        *((kind, {}) for kind in KINDS),
        ("od", SOFTMAX),
        ("od", SOFTMAX | {"attention_sharing": False}),
    ],
)
def test_an_empty_batch(kind, options):
    layer = LAYERS[kind][1](4, 6, 3, **options).eval()
    y = layer(torch.randn(0, 4, 8, 9, requires_grad=True))
    assert y.shape == (0, 6, 6, 7)
    y.sum().backward()
