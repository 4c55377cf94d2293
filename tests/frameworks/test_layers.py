"""The convolutions of ODConv, DyConv and CondConv: their equations, their starts, one sample."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from odconv_spec import CondConvSpec, ConvSpec, DyConvSpec, ODConvSpec
from parity_tests.reference import evaluate, random_arrays
from tests.frameworks.test_fuse import close
from tests.quick import quick_rows
from weights_converter import extract

KINDS = {"od": ODConvSpec, "dy": DyConvSpec, "cond": CondConvSpec}
GEOMETRIES = [
    {},
    {"groups": 2, "stride": 2, "padding": 1, "bias": True},
    {"out_channels": 4, "groups": 4, "stride": 2, "dilation": 2, "padding": 2, "kernel_num": 1},
    {"padding": "same", "kernel_num": 2, "bias": True},
    {"padding": "valid", "kernel_num": 3, "dilation": 2},
    {"kernel_size": 1, "bias": True},
    {"kernel_size": 1, "kernel_num": 1, "stride": 2},
    {"kernel_size": 1, "groups": 2, "padding": 1, "stride": 2, "bias": True},
]
PER_KERNEL, SOFTMAX = {"attention_sharing": False}, {"spatial_activation": "softmax"}
VARIANTS = [
    *((kind, options) for kind in KINDS for options in GEOMETRIES),
    ("od", {"attentions": (), "kernel_num": 1, "groups": 2, "bias": True}),
    ("od", {"attentions": ("channel",), "kernel_num": 1, "padding": 1}),
    ("od", {"attentions": ("filter",), "kernel_num": 1, "norm": "none", "bias": True}),
    ("od", {"attentions": ("filter", "kernel"), "groups": 2}),
    ("od", {"attentions": ("spatial", "kernel"), "norm": "none", **SOFTMAX}),
    ("od", {"attentions": ("channel", "kernel"), "norm": "layer", "padding": "same"}),
    ("od", {"norm": "layer", **SOFTMAX}),
    ("od", {"norm": "none", "min_channels": 3, "reduction": 1.0, "groups": 2, "bias": True}),
    ("od", {**PER_KERNEL, "norm": "layer", "groups": 2, "stride": 2, "bias": True}),
    ("od", {**PER_KERNEL, **SOFTMAX, "kernel_num": 2, "padding": 1, "norm": "none"}),
    ("od", {**PER_KERNEL, **SOFTMAX, "groups": 2}),
    ("od", {**PER_KERNEL, "attentions": ("channel", "kernel"), "min_channels": 3, "norm": "none"}),
    ("od", {**PER_KERNEL, "attentions": ("spatial", "kernel"), "groups": 2}),
    ("od", {**PER_KERNEL, "attentions": ("spatial",), "kernel_num": 1}),
    ("od", {**PER_KERNEL, "kernel_num": 1, "groups": 4}),
    ("od", {**PER_KERNEL, "out_channels": 4, "groups": 4, "norm": "none"}),
    ("od", {**PER_KERNEL, "kernel_size": 1}),
    ("dy", {"groups": 2, "stride": 2, "padding": 1, "fc1_bias": True, "fc2_bias": False}),
    ("dy", {"kernel_num": 1, "hidden_channels": 3, "groups": 4, "dilation": 2, "padding": 2}),
    ("dy", {"out_channels": 4, "groups": 4, "hidden_rule": "plus_one", "fc2_bias": False}),
    ("cond", {"groups": 2, "stride": 2, "padding": 1, "mix_bias": False, "bias": True}),
    ("cond", {"kernel_num": 1, "mix_bias": False, "out_channels": 4, "groups": 4, "bias": True}),
]
SMALLER, LARGER = (7, 6, 5), (50, 13, 6)  # than a kernel
SITES = quick_rows(  # axes, batch, map
    [(1, 1, LARGER), (2, 1, SMALLER), *product((1, 2, 3), [3], [SMALLER]), (2, 3, LARGER)],
    product((1, 2, 3), (1, 3), (SMALLER, LARGER)),
)


def spec_of(kind, options, rank=2):
    sizes = {"in_channels": 4, "out_channels": 8, "kernel_size": (3, 2, 3)[:rank], "rank": rank}
    return KINDS[kind](**sizes | options)


def maps(rank, batch=3, sizes=SMALLER):
    """(batch, channels, *space)"""
    return np.random.default_rng(rank).standard_normal((batch, 4, *sizes[:rank]))


@pytest.mark.parametrize(("kind", "options"), VARIANTS, ids=str)
@pytest.mark.parametrize(("rank", "batch", "sizes"), SITES, ids=str)
def test_the_equation(kit, kind, options, rank, batch, sizes):
    spec, x = spec_of(kind, options, rank), maps(rank, batch, sizes)
    arrays = random_arrays(spec.parameters(), rank)
    layer = kit.build(spec, arrays)
    layer.set_temperature(1.7)
    close(kit.run(layer, x), evaluate(spec, arrays, x, temperature=1.7).output)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": (2, 3), "stride": (1, 2), "padding": ((0, 2), (1, 0)), "dilation": (3, 1)},
        {
            "kernel_size": (3, 2, 1),
            "stride": (1, 2, 3),
            "padding": ((2, 1), (0, 1), (0, 0)),
            "dilation": (2, 1, 1),
            "groups": 2,
            "bias": True,
            "rank": 3,
        },
    ],
    ids=["2d", "3d"],
)
def test_each_axis_has_its_own_geometry(kit, kind, options):
    spec = spec_of(kind, options)
    x, arrays = maps(spec.rank), random_arrays(spec.parameters(), 1)
    close(kit.run(kit.build(spec, arrays), x), evaluate(spec, arrays, x).output)


@pytest.mark.parametrize(("kind", "options"), VARIANTS, ids=str)
def test_every_parameter_learns(kit, kind, options):
    if kind == "dy":  # few hidden units may all be dead, and the share of a single kernel is one
        options = options | {"hidden_channels": 16, "kernel_num": 2}
    spec = spec_of(kind, options)
    assert kit.idle(kit.build(spec, random_arrays(spec.parameters(), 1)), maps(2)) == []


@pytest.mark.parametrize("size", [1, 4])
@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        *((kind, {}) for kind in KINDS),
        ("od", {**PER_KERNEL, **SOFTMAX, "norm": "layer"}),
        ("od", {"norm": "none"}),
        ("od", {"attentions": (), "kernel_num": 1}),
    ],
    ids=str,
)
def test_one_sample_trains_on_running_statistics(kit, kind, options, rank, channels, size):
    sizes = {"in_channels": channels, "kernel_size": 3, "padding": 1}
    spec = spec_of(kind, options | sizes, rank)
    x = maps(rank, 1, (size, size + 1, size) if size > 1 else (1, 1, 1))[:, :channels]
    arrays = random_arrays(spec.parameters(), 1)
    layer = kit.build(spec, arrays)
    expected = evaluate(spec, arrays, x).output
    close(kit.run(layer, x, training=True), expected)
    assert all(np.array_equal(arrays[name], array) for name, array in extract(layer).items())


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        *((kind, {}) for kind in KINDS),
        ("od", {"norm": "none", **SOFTMAX}),
        ("od", {"attentions": ("filter", "kernel"), **PER_KERNEL}),
    ],
    ids=str,
)
def test_zero_heads_start_as_a_plain_convolution(kit, kind, options):
    spec = spec_of(kind, options | {"kernel_num": 3, "padding": "same", "head_init": "zero"})
    layer, x = kit.build(spec), maps(2)
    kernel = extract(layer)["weight"].mean(0)
    plain = ConvSpec(in_channels=4, out_channels=8, kernel_size=(3, 2), padding="same")
    expected = spec.start_gain * evaluate(plain, {"weight": kernel}, x).output
    np.testing.assert_allclose(kit.run(layer, x), expected, rtol=1e-6, atol=1e-6)


HEADS = {  # what weighs the kernels: deviation of the trunk and of a head that starts as published
    "od": {"attention.fc": (2 / 16) ** 0.5, "attention.filter_fc": (2 / 256) ** 0.5},
    "dy": {"attention.fc1": (2 / 64) ** 0.5, "attention.fc2": (2 / 64) ** 0.5},
    "cond": {"routing": (2 / (256 + 64)) ** 0.5},  # of Glorot uniform
}


@pytest.mark.parametrize("start", ["zero", "published"])
@pytest.mark.parametrize("kind", KINDS)
def test_starting_values(kit, kind, start):
    widths = {"in_channels": 256, "out_channels": 256, "kernel_size": 3, "kernel_num": 64}
    spec = KINDS[kind](**widths, groups=2, bias=True, head_init=start)
    arrays = extract(kit.build(spec, dtype="float32"))
    for kernel in arrays["weight"]:
        assert kernel.std() == pytest.approx((2 / (256 * 9)) ** 0.5, rel=0.02)
        assert np.abs(kernel).max() > 3 * kernel.std()  # not truncated
    assert not np.allclose(arrays["weight"][0], arrays["weight"][1])
    *trunk, head = HEADS[kind]
    for name in trunk:
        assert arrays[f"{name}.weight"].std() == pytest.approx(HEADS[kind][name], rel=0.1)
    weight = arrays[f"{head}.weight"]
    assert weight.std() == (0 if start == "zero" else pytest.approx(HEADS[kind][head], rel=0.1))
    if kind == "cond":
        assert np.abs(weight).max() <= 3**0.5 * HEADS[kind][head]
    biases = [name for name in arrays if name.endswith("bias") and ".bn." not in name]
    assert len(biases) > 1 and not any(arrays[name].any() for name in biases)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wrong", [0, -1, float("nan"), float("inf")])
def test_temperature_must_be_positive(kit, kind, wrong):
    layer = kit.build(spec_of(kind, {}))
    with pytest.raises(ValueError, match="temperature: expected a positive number, received"):
        layer.set_temperature(wrong)
