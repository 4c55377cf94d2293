"""Dynamic layers that start as a given static convolution."""

from __future__ import annotations

import copy

import pytest
import torch
from helpers import ABLATIONS, KINDS, LAYERS, random_map
from torch import nn
from torch.nn.utils import parametrizations

from odconv_torch import CondConv2d, DyConv2d, ODConv1d, ODConv2d

CONVS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
GEOMETRIES = (
    {"bias": True},
    {"bias": False, "stride": 2, "padding": 1},
    {"groups": 2, "dilation": 2, "padding": "same"},
    {"groups": 4, "padding": 2, "padding_mode": "reflect"},
    {"padding": "valid", "padding_mode": "circular"},
)
OPTIONS = (
    *((kind, options) for kind in KINDS for options in ({}, {"kernel_num": 1}, {"kernel_num": 3})),
    *(("od", options) for options in ABLATIONS),
    ("cond", {"mix_bias": False}),
    ("dy", {"hidden_rule": "plus_one", "fc1_bias": True}),
)


def same_function(layer, conv):
    x = random_map(layer.rank, layer.spec.in_channels)
    for temperature in (1.0, 7.5):
        layer.set_temperature(temperature)
        torch.testing.assert_close(layer(x), conv(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_same_function_for_every_geometry(kind, rank, geometry):
    conv = CONVS[rank - 1](4, 8, 3, **geometry).double()
    layer = LAYERS[kind][rank - 1].from_static(conv)
    same_function(layer, conv)
    assert layer.padding_mode == conv.padding_mode
    assert (layer.bias is None) == (conv.bias is None)


@pytest.mark.parametrize(("kind", "options"), OPTIONS)
@pytest.mark.parametrize("training", [True, False])
def test_same_function_for_every_option(kind, options, training):
    conv = nn.Conv2d(4, 6, (3, 2)).double().train(training)
    layer = LAYERS[kind][1].from_static(conv, **options)
    assert layer.training is training
    assert layer.spec.head_init == "zero"
    same_function(layer, conv)


def test_a_depthwise_or_pointwise_convolution_has_fewer_heads():
    for conv in (nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 6, 1), nn.Conv2d(1, 1, 1)):
        same_function(ODConv2d.from_static(conv.double()), conv)


@pytest.mark.parametrize("kind", KINDS)
def test_kernels_differ_by_the_noise_and_part_in_training(kind):
    torch.manual_seed(0)
    conv = nn.Conv2d(16, 32, 3)
    layer = LAYERS[kind][1].from_static(conv, noise=0.2, kernel_num=8)
    kernels = layer.weight.detach() * layer.spec.start_gain
    difference = kernels - conv.weight.detach()
    torch.testing.assert_close(difference.mean(0), torch.zeros_like(conv.weight), rtol=0, atol=1e-6)
    assert difference.std() == pytest.approx(0.2 * conv.weight.std().item(), rel=0.1)
    optimiser = torch.optim.SGD(layer.parameters(), 0.1)
    for _ in range(3):
        optimiser.zero_grad()
        layer(torch.randn(4, 16, 8, 9)).square().mean().backward()
        optimiser.step()
    head = (
        layer.routing
        if kind == "cond"
        else layer.attention.get_submodule({"od": "kernel_fc", "dy": "fc2"}[kind])
    )
    rows = head.weight.detach().flatten(1)
    assert not any(torch.allclose(rows[0], row) for row in rows[1:])


@pytest.mark.parametrize("kind", KINDS)
def test_without_noise_kernels_are_alike(kind):
    layer = LAYERS[kind][1].from_static(nn.Conv2d(4, 6, 3), noise=0, kernel_num=3)
    assert torch.equal(layer.weight[0], layer.weight[2])


@pytest.mark.parametrize("kind", KINDS)
def test_dtype_and_device_come_from_the_static_convolution(kind):
    layer = LAYERS[kind][1].from_static(nn.Conv2d(4, 6, 3, dtype=torch.bfloat16))
    assert {p.dtype for p in layer.parameters()} == {torch.bfloat16}
    layer = LAYERS[kind][1].from_static(nn.Conv2d(4, 6, 3, device="meta"))
    assert {p.device.type for p in layer.parameters()} == {"meta"}


def test_the_static_convolution_is_left_as_it_was():
    conv = nn.Conv2d(4, 6, 3)
    twin = copy.deepcopy(conv)
    layer = DyConv2d.from_static(conv, kernel_num=1)
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.zero_()
    assert torch.equal(conv.weight, twin.weight)
    assert torch.equal(conv.bias, twin.bias)


class OwnForward(nn.Conv2d):
    def forward(self, input):
        return super().forward(input) + 1


class Renamed(nn.Conv2d):
    pass


@pytest.mark.parametrize(
    ("conv", "message"),
    [
        (nn.ConvTranspose2d(4, 6, 3), "Conv1d, Conv2d or Conv3d, received ConvTranspose2d"),
        (nn.Linear(4, 6), "Conv1d, Conv2d or Conv3d, received Linear"),
        (nn.LazyConv2d(6, 3), "a built convolution, received LazyConv2d before its first input"),
        (OwnForward(4, 6, 3), "a plain convolution, received OwnForward with a forward of its own"),
        (parametrizations.weight_norm(nn.Conv2d(4, 6, 3)), "that computes it anew"),
        (nn.Conv1d(4, 6, 3), "ODConv2d: expected a Conv2d, received Conv1d"),
        (ODConv2d(4, 6, 3), "Conv1d, Conv2d or Conv3d, received ODConv2d"),
    ],
)
def test_what_is_no_plain_convolution(conv, message):
    with pytest.raises(ValueError, match=message):
        ODConv2d.from_static(conv)


def test_a_subclass_that_computes_the_same_is_one():
    conv = Renamed(4, 6, 3).double()
    same_function(ODConv2d.from_static(conv), conv)


@pytest.mark.parametrize("noise", [-0.1, float("nan"), float("inf")])
def test_wrong_noise(noise):
    with pytest.raises(ValueError, match="noise: expected a number >= 0"):
        ODConv2d.from_static(nn.Conv2d(4, 6, 3), noise=noise)


def test_options_that_would_change_the_function():
    with pytest.raises(ValueError, match="head_init: expected 'zero', received 'published'"):
        CondConv2d.from_static(nn.Conv2d(4, 6, 3), head_init="published")
    with pytest.raises(ValueError, match="kernel_num: expected a whole number"):
        ODConv1d.from_static(nn.Conv1d(4, 6, 3), kernel_num=0)
