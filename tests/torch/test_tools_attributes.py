"""What code reads of a convolution: our layers have the attributes of torch's own."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from helpers import KINDS, LAYERS
from torch import nn

from odconv_torch import ODConv2d, fuse, replace_convs
from odconv_torch.layers import build_conv

CONVS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
NAMES = (
    *("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups"),
    *("padding_mode", "transposed", "output_padding"),
)
GEOMETRIES = (
    {},
    {"stride": 2, "padding": 1, "dilation": 2, "groups": 2},
    {"padding": "same", "dilation": 3},
    {"padding": "valid", "padding_mode": "reflect"},
    {"padding": 2, "padding_mode": "circular", "bias": False},
)


def attributes(conv):
    return {name: getattr(conv, name) for name in NAMES}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_they_are_those_of_torch(kind, rank, geometry):
    size = (3, 2, 4)[:rank]
    arguments = (4, 6, size)
    per_axis = {"stride": (1, 2, 3)[:rank], "padding": (2, 0, 1)[:rank]}
    for options in (geometry, geometry if "padding" in geometry else per_axis):
        static = CONVS[rank - 1](*arguments, **options)
        layer = LAYERS[kind][rank - 1](*arguments, **options)
        assert attributes(layer) == attributes(static)
        assert {n: type(v) for n, v in attributes(layer).items()} == {
            n: type(v) for n, v in attributes(static).items()
        }


@pytest.mark.parametrize("kind", KINDS)
def test_uneven_padding_is_pairs(kind):
    layer = LAYERS[kind][1](4, 6, 3, padding=((0, 1), (2, 2)))
    assert layer.padding == ((0, 1), (2, 2))
    assert LAYERS[kind][1](4, 6, 3, padding=((1, 1), (2, 2))).padding == (1, 2)
    # A layer with the same arguments is the same layer.
    twin = LAYERS[kind][1](layer.in_channels, layer.out_channels, 3, padding=layer.padding)
    assert twin.spec == layer.spec


@pytest.mark.parametrize("name", NAMES)
def test_they_are_read_only(name):
    layer = ODConv2d(4, 6, 3)
    before = attributes(layer)
    with pytest.raises(AttributeError, match=name):
        setattr(layer, name, before[name])
    assert attributes(layer) == before


@pytest.mark.parametrize("kind", KINDS)
def test_they_stay_with_the_layer(kind):
    options = {"padding": "same", "groups": 2, "padding_mode": "replicate"}
    static = nn.Conv2d(4, 6, 3, bias=False, **options)
    layer = LAYERS[kind][1].from_static(static)
    twins = (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), layer.double())
    replaced = replace_convs(copy.deepcopy(static), kind).model
    fused = fuse(layer.eval(), nn.BatchNorm2d(6).double().eval())
    for twin in (layer, *twins, replaced, fused):
        assert attributes(twin) == attributes(static)
    rebuilt = build_conv(layer.spec)  # specs know no words and no mode
    assert rebuilt.padding == (1, 1)


def test_code_that_reads_a_convolution():
    """The size of a map after it, as detectors and counters of operations compute it."""

    def size(conv, length, axis):
        reach = conv.dilation[axis] * (conv.kernel_size[axis] - 1) + 1
        return (length + 2 * conv.padding[axis] - reach) // conv.stride[axis] + 1

    layer = ODConv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 3))
    y = layer(torch.randn(2, layer.in_channels, 9, 8))
    assert y.shape == (2, layer.out_channels, size(layer, 9, 0), size(layer, 8, 1))


def fold_in_place(conv, norm):
    """A batch norm in the convolution before it, as some detectors do to predict faster."""
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    rows = conv.weight.view(conv.out_channels, -1)
    conv.weight.data = torch.mm(torch.diag(scale), rows).view(conv.weight.shape)
    conv.register_parameter("bias", nn.Parameter(norm.bias - norm.running_mean * scale))


@pytest.mark.parametrize("fold", [nn.utils.fuse_conv_bn_eval, fold_in_place])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("kernel_num", [1, 6])
def test_code_that_takes_the_bank_for_a_kernel_is_refused(fold, kind, kernel_num):
    options = {"bias": False, "kernel_num": kernel_num}
    layer, norm = LAYERS[kind][1](4, 6, 3, **options).eval(), nn.BatchNorm2d(6).eval()
    with pytest.raises(ValueError, match=r"Conv2d: expected no bias .* use odconv_torch\.fuse"):
        fold(layer, norm)
