"""A batch norm folded into the dynamic convolution before it."""

from __future__ import annotations

import copy

import pytest
import torch
from helpers import ABLATIONS, LAYERS, close, random_map, randomised
from torch import nn

from odconv_torch import CondConv2d, DyConv2d, ODConv2d, fuse
from odconv_torch.layers import build_conv

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
CASES = (
    ("od", {"bias": True}),
    ("od", {"bias": False, "groups": 2}),
    *(("od", options) for options in ABLATIONS),
    ("dy", {"bias": True, "groups": 2}),
    ("dy", {"bias": False}),
    ("cond", {"bias": False}),
    ("cond", {"bias": True, "mix_bias": False}),
)


def pair(kind, rank, options, affine=True):
    conv = LAYERS[kind][rank - 1](4, 6, 3, padding=1, dtype=torch.float64, **options)
    norm = NORMS[rank - 1](6, affine=affine, dtype=torch.float64)
    return randomised(conv).eval(), randomised(norm, seed=1).eval()


@pytest.mark.parametrize(("kind", "options"), CASES)
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_the_fused_layer_computes_both(kind, options, rank):
    conv, norm = pair(kind, rank, options)
    conv.set_temperature(3.0)
    x = random_map(rank, 4)
    expected = norm(conv(x))
    before = copy.deepcopy(conv.state_dict())
    fused = fuse(conv, norm)
    close(fused(x), expected, 1e-11)
    assert all(torch.equal(before[name], value) for name, value in conv.state_dict().items())


@pytest.mark.parametrize("kind", ["od", "dy"])
def test_a_norm_without_scale_and_shift(kind):
    conv, norm = pair(kind, 2, {}, affine=False)
    x = random_map(2, 4)
    close(fuse(conv, norm)(x), norm(conv(x)), 1e-11)


@pytest.mark.parametrize(("kind", "options"), CASES)
def test_the_fused_layer_has_a_spec_and_arrays_that_fit(kind, options):
    fused = fuse(*pair(kind, 2, options))
    rebuilt = build_conv(fused.spec, dtype=torch.float64).eval()
    rebuilt.load_state_dict(fused.state_dict(), strict=True)
    x = random_map(2, 4)
    close(rebuilt(x), fused(x))
    assert list(rebuilt.state_dict()) == list(fused.state_dict())


def test_the_statistics_are_used_in_training_mode_too():
    conv, norm = pair("dy", 2, {})
    x = random_map(2, 4)
    close(fuse(conv, copy.deepcopy(norm).train())(x), norm(conv(x)), 1e-11)


def test_dtypes_stay():
    conv = DyConv2d(4, 6, 3, dtype=torch.bfloat16)
    fused = fuse(conv, nn.BatchNorm2d(6))
    assert {p.dtype for p in fused.parameters()} == {torch.bfloat16}


@pytest.mark.parametrize(
    ("conv", "norm", "message"),
    [
        (nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6), "conv: expected a dynamic convolution such as"),
        (ODConv2d(4, 6, 3), nn.GroupNorm(2, 6), "norm: expected a torch.nn.BatchNorm, received Gr"),
        (ODConv2d(4, 6, 3), nn.BatchNorm2d(4), "norm: expected 6 channels .* received 4"),
        (
            ODConv2d(4, 6, 3),
            nn.BatchNorm2d(6, track_running_stats=False),
            "norm: expected running statistics",
        ),
        (CondConv2d(4, 6, 3), nn.BatchNorm2d(6), "without a bias or with mix_bias=False"),
    ],
)
def test_what_cannot_be_fused(conv, norm, message):
    with pytest.raises(ValueError, match=message):
        fuse(conv, norm)
