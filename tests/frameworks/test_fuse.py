"""A batch norm folded into a dynamic convolution."""

from __future__ import annotations

import numpy as np
import pytest

from odconv_spec import CondConvSpec, ConvSpec, DyConvSpec, NormSpec, ODConvSpec
from parity_tests.reference import evaluate, random_arrays
from parity_tests.reference.functional import batch_norm
from parity_tests.reference.tape import Value
from weights_converter import extract

WIDTHS = {"in_channels": 4, "out_channels": 6}
SPECS = {
    "od": ODConvSpec(**WIDTHS, kernel_size=3, stride=2, groups=2),
    "od 1d": ODConvSpec(**WIDTHS, kernel_size=3, rank=1, bias=True),
    "od 3d": ODConvSpec(**WIDTHS, kernel_size=(2, 1, 3), rank=3),
    "od bias": ODConvSpec(**WIDTHS, kernel_size=3, bias=True, groups=2),
    "od own attentions": ODConvSpec(
        **WIDTHS, kernel_size=3, attention_sharing=False, norm="layer", bias=True
    ),
    "od filter": ODConvSpec(**WIDTHS, kernel_size=3, attentions=("filter", "kernel"), bias=True),
    "od none": ODConvSpec(**WIDTHS, kernel_size=3, attentions=(), kernel_num=1),
    "dy": DyConvSpec(**WIDTHS, kernel_size=(3, 2), bias=True, groups=2),
    "dy 1d": DyConvSpec(**WIDTHS, kernel_size=3, rank=1),
    "cond": CondConvSpec(**WIDTHS, kernel_size=3, padding=1),
    "cond offset": CondConvSpec(**WIDTHS, kernel_size=3, bias=True, mix_bias=False),
}
NORM = random_arrays(NormSpec(6).parameters(), 7)
PLAIN = {"weight": np.ones(6), "bias": np.zeros(6)}  # what a norm without scale and shift has


def maps(spec):
    """(batch, channels, *space)"""
    return np.random.default_rng(0).standard_normal((3, 4, *(9, 8, 7)[: spec.rank]))


def normalised(y, arrays, eps):
    scale, shift = Value(arrays["weight"]), Value(arrays["bias"])
    statistics = arrays["running_mean"], arrays["running_var"]
    return batch_norm(Value(y), scale, shift, *statistics, training=False, eps=eps).output.data


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", SPECS)
def test_the_fused_layer_computes_both(kit, name):
    spec, x = SPECS[name], maps(SPECS[name])
    arrays = random_arrays(spec.parameters(), 1)
    conv = kit.build(spec, arrays)
    conv.set_temperature(3.0)
    fused = kit.package.fuse(conv, kit.norm(spec.rank, NORM, eps=0.1))
    expected = normalised(evaluate(spec, arrays, x, temperature=3.0).output, NORM, eps=0.1)
    close(kit.run(fused, x), expected)
    assert type(fused) is type(conv) and fused.spec == spec.fused(6) and fused.spec.bias
    rebuilt = kit.build(fused.spec, extract(fused))  # it stores what its spec says
    rebuilt.set_temperature(3.0)
    close(kit.run(rebuilt, x), expected)
    assert all(np.array_equal(arrays[key], array) for key, array in extract(conv).items())


@pytest.mark.parametrize("name", ["od", "dy"])
def test_a_norm_without_scale_and_shift(kit, name):
    spec, x = SPECS[name], maps(SPECS[name])
    arrays = random_arrays(spec.parameters(), 2)
    bare = {key: array for key, array in NORM.items() if key not in PLAIN}
    fused = kit.package.fuse(kit.build(spec, arrays), kit.norm(spec.rank, bare))
    close(kit.run(fused, x), normalised(evaluate(spec, arrays, x).output, bare | PLAIN, eps=1e-5))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (ConvSpec(**WIDTHS, kernel_size=3), "conv: expected a dynamic convolution such as ODConv2"),
        (ODConvSpec(in_channels=4, out_channels=8, kernel_size=3), "norm: expected 8 .*received 6"),
        (CondConvSpec(**WIDTHS, kernel_size=3, bias=True), "without a bias or with mix_bias=False"),
    ],
)
def test_what_cannot_be_fused(kit, spec, message):
    with pytest.raises(ValueError, match=message):
        kit.package.fuse(kit.build(spec), kit.norm(2, NORM))
