"""Dynamic layers that start as a given static convolution."""

from __future__ import annotations

import numpy as np
import pytest

from odconv_spec import CondConvSpec, ConvSpec, DyConvSpec, ODConvSpec
from parity_tests.reference import evaluate, random_arrays
from weights_converter import extract

KINDS = {"od": ODConvSpec, "dy": DyConvSpec, "cond": CondConvSpec}
OPTIONS = [
    ("od", {}),
    ("od", {"kernel_num": 1, "attentions": ("filter", "spatial")}),
    ("od", {"attentions": ("channel", "kernel")}),
    ("od", {"kernel_num": 1, "attentions": ()}),
    ("od", {"spatial_activation": "softmax", "norm": "layer"}),
    ("od", {"attention_sharing": False, "kernel_num": 3}),
    ("od", {"attention_sharing": False, "spatial_activation": "softmax", "norm": "none"}),
    ("dy", {}),
    ("dy", {"kernel_num": 3, "hidden_rule": "plus_one", "fc1_bias": True, "fc2_bias": False}),
    ("cond", {}),
    ("cond", {"kernel_num": 3, "mix_bias": False}),
]
GEOMETRIES = [
    {"kernel_size": (3, 2), "padding": 1, "bias": True},
    {"kernel_size": 2, "stride": (2, 1), "groups": 4},
    {"kernel_size": 1, "bias": True},
    {"kernel_size": 3, "dilation": (2, 1), "groups": 2, "bias": True},
    {"kernel_size": (3, 5), "padding": "same", "bias": True},
    {"kernel_size": 3, "dilation": 2, "groups": 2, "bias": True, "rank": 1},
    {"kernel_size": 2, "stride": 2, "padding": 1, "rank": 1},
    {"kernel_size": (2, 3, 1), "stride": (2, 1, 1), "padding": 1, "groups": 4, "rank": 3},
]
CONV = ConvSpec(in_channels=4, out_channels=6, kernel_size=3, bias=True)


def maps(rank):
    """(batch, channels, *space)"""
    return np.random.default_rng(0).standard_normal((3, 4, *(9, 8, 7)[:rank]))


def same_function(kit, layer, expected, x):
    for temperature in (1.0, 30.0):
        layer.set_temperature(temperature)
        np.testing.assert_allclose(kit.run(layer, x), expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_function_is_kept_for_every_geometry(kit, kind, geometry):
    spec = ConvSpec(in_channels=4, out_channels=8, **geometry)
    arrays, x = random_arrays(spec.parameters(), 1), maps(spec.rank)
    layer = kit.layer_class(KINDS[kind], spec.rank).from_static(kit.build(spec, arrays))
    same_function(kit, layer, evaluate(spec, arrays, x).output, x)
    assert layer.spec == KINDS[kind](**spec.options() | {"rank": spec.rank, "head_init": "zero"})


@pytest.mark.parametrize(("kind", "options"), OPTIONS)
def test_the_function_is_kept_for_every_option(kit, kind, options):
    arrays, x = random_arrays(CONV.parameters(), 2), maps(2)
    conv = kit.build(CONV, arrays)
    layer = kit.layer_class(KINDS[kind], 2).from_static(conv, **options)
    same_function(kit, layer, evaluate(CONV, arrays, x).output, x)
    assert options.items() <= vars(layer.spec).items()
    assert np.array_equal(extract(conv)["weight"], arrays["weight"])


@pytest.mark.parametrize("kind", KINDS)
def test_kernels_differ_by_the_noise(kit, kind):
    spec = ConvSpec(in_channels=8, out_channels=16, kernel_size=3)
    kernel = random_arrays(spec.parameters(), 3)["weight"]
    conv = kit.build(spec, {"weight": kernel})
    layer = kit.layer_class(KINDS[kind], 2).from_static(conv, noise=0.5, kernel_num=16)
    noise = extract(layer)["weight"] * layer.spec.start_gain - kernel
    np.testing.assert_allclose(noise.mean(0), 0, atol=1e-6)
    assert noise.std() == pytest.approx(0.5 * kernel.std(), rel=0.1)
    usual = kit.layer_class(KINDS[kind], 2).from_static(conv, kernel_num=16)
    noise = extract(usual)["weight"] * usual.spec.start_gain - kernel
    assert noise.std() == pytest.approx(0.1 * kernel.std(), rel=0.1)
    alike = kit.layer_class(KINDS[kind], 2).from_static(conv, noise=0, kernel_num=3)
    assert np.ptp(extract(alike)["weight"], 0).max() == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"head_init": "published"}, "head_init: expected 'zero'.* received 'published'"),
        ({"noise": -1}, "noise: expected a number >= 0, received -1"),
        ({"noise": float("nan")}, "noise: expected a number >= 0"),
        ({"noise": float("inf")}, "noise: expected a number >= 0"),
        ({"kernel_num": 0}, "kernel_num: expected a whole number >= 1"),
    ],
)
def test_wrong_options(kit, options, message):
    with pytest.raises(ValueError, match=message):
        kit.layer_class(ODConvSpec, 2).from_static(kit.build(CONV), **options)


@pytest.mark.parametrize("kind", KINDS)
def test_another_number_of_axes(kit, kind):
    with pytest.raises(ValueError, match=r"expected a [cC]onv|expected Conv1D"):
        kit.layer_class(KINDS[kind], 1).from_static(kit.build(CONV))


def test_a_dynamic_layer_is_no_static_one(kit):
    layer = kit.layer_class(ODConvSpec, 2)
    dynamic = kit.build(ODConvSpec(in_channels=4, out_channels=6, kernel_size=3))
    with pytest.raises(ValueError, match=rf"received {layer.__name__}"):
        layer.from_static(dynamic)
