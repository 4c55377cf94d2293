"""Dynamic layers that start as a given static convolution."""

from __future__ import annotations

import pytest
import torch
from helpers import KINDS, LAYERS, random_map
from torch import nn
from torch.nn.utils import parametrizations

from odconv_torch import ODConv2d

CONVS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def same_function(layer, conv):
    x = random_map(layer.rank, layer.spec.in_channels)
    for temperature in (1.0, 7.5):
        layer.set_temperature(temperature)
        torch.testing.assert_close(layer(x), conv(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("padding_mode", ["reflect", "circular"])
def test_padding_modes_and_the_mode_of_training(kind, padding_mode, training):
    conv = nn.Conv2d(4, 6, 3, padding=(2, 1), padding_mode=padding_mode).double().train(training)
    layer = LAYERS[kind][1].from_static(conv)
    assert layer.training is training
    same_function(layer, conv)


@pytest.mark.parametrize("kind", KINDS)
def test_dtype_and_device_come_from_the_static_convolution(kind):
    layer = LAYERS[kind][1].from_static(nn.Conv2d(4, 6, 3, dtype=torch.bfloat16))
    assert {p.dtype for p in layer.parameters()} == {torch.bfloat16}
    layer = LAYERS[kind][1].from_static(nn.Conv2d(4, 6, 3, device="meta"))
    assert {p.device.type for p in layer.parameters()} == {"meta"}


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
