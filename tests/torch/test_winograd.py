"""3x3 kernels of an exported graph as products of tiles: equal, and taken where they are fewer."""

from __future__ import annotations

import pytest
import torch
from helpers import randomised
from torch.export import export

from odconv_torch import CondConv2d, DyConv2d, ODConv1d, ODConv2d, ODConv3d, set_strategy

WIDE = (24, 40)  # channels of layers whose tiles take fewer products, on these maps:
SIZES = ((20, 26), (21, 26), (20, 27), (23, 21))
ATTENTIONS = (
    {"kernel_num": 3},
    {"kernel_num": 1},
    {"kernel_num": 3, "attentions": ["filter", "kernel"]},
    {"kernel_num": 3, "attentions": ["channel", "kernel"]},
    {"kernel_num": 3, "attentions": ["kernel"]},
    {"kernel_num": 1, "attentions": ["spatial"]},
)
PADDINGS = (0, 1, ((0, 3), (2, 1)), "same")


def recorded(layer, x):
    """The graph of the form `folded`, and whether it is of tiles."""
    set_strategy(layer, "folded")
    program = export(layer, (x,), strict=False)
    return program.module(), any("col2im" in str(node.target) for node in program.graph.nodes)


def check(layer, x, tiles=True):
    layer = randomised(layer).double().eval()
    with torch.no_grad():
        expected = layer(x)
        graph, found = recorded(layer, x)
        torch.testing.assert_close(graph(x), expected, rtol=1e-11, atol=1e-11)
    assert found == tiles


def images(batch, size, channels=WIDE[0]):
    return torch.randn(batch, channels, *size, dtype=torch.float64)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("options", ATTENTIONS, ids=str)
def test_every_attention_on_maps_of_any_parity(batch, size, options):
    check(ODConv2d(*WIDE, 3, padding=1, bias=True, **options), images(batch, size))


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("padding", PADDINGS, ids=str)
def test_every_padding(batch, padding):
    check(ODConv2d(*WIDE, 3, padding=padding), images(batch, SIZES[1]))


@pytest.mark.parametrize("mode", ["reflect", "circular"])
def test_other_values_around_the_map(mode):
    check(ODConv2d(*WIDE, 3, padding=1, padding_mode=mode), images(2, SIZES[0]))


@pytest.mark.parametrize("options", ATTENTIONS[:4], ids=str)
def test_kernels_larger_than_the_maps(options):
    """Channels and filters scale the maps then."""
    check(ODConv2d(96, 80, 3, padding=1, **options), images(2, (14, 12), 96))


@pytest.mark.parametrize("layer", [DyConv2d, CondConv2d])
def test_other_kinds(layer):
    check(layer(*WIDE, 3, padding=1, bias=True), images(3, SIZES[3]))


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 3, "stride": 2},
        {"kernel_size": 3, "dilation": 2},
        {"kernel_size": 3, "groups": 2},
        {"kernel_size": (3, 2)},
        {"kernel_size": 3, "attention_sharing": False},
        {"kernel_size": 3, "attentions": ["channel", "filter"], "kernel_num": 1},
    ],
    ids=str,
)
def test_what_stays_a_convolution(options):
    check(ODConv2d(*WIDE, **options), images(2, SIZES[0]), tiles=False)


@pytest.mark.parametrize("layer", [ODConv1d, ODConv3d])
def test_maps_of_other_ranks_stay_convolutions(layer):
    rank = 1 if layer is ODConv1d else 3
    check(layer(*WIDE, 3), images(1, (9,) * rank), tiles=False)


@pytest.mark.parametrize(
    ("channels", "size"),
    [(6, (30, 30)), (96, (4, 4))],
    ids=["more sums than products", "more sums of taps than products"],
)
def test_where_tiles_do_not_pay(channels, size):
    check(ODConv2d(channels, channels, 3, padding=1), images(1, size, channels), tiles=False)
