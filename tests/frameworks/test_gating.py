"""Context-gated convolutions: what the parity suite does not see."""

from __future__ import annotations

import numpy as np
import pytest

from odconv_spec import CGConvSpec, ConvSpec
from parity_tests.reference import evaluate, random_arrays
from weights_converter import extract

GEOMETRIES = [
    {"in_channels": 4, "out_channels": 6, "kernel_size": (3, 2), "padding": 1, "bias": True},
    {"in_channels": 32, "out_channels": 6, "kernel_size": 2, "stride": (2, 1)},
    {"in_channels": 4, "out_channels": 6, "kernel_size": 3, "rank": 1, "bias": True},
    {"in_channels": 4, "out_channels": 6, "kernel_size": 1, "groups": 2, "bias": True},
]


def map_for(spec):
    """(batch, in, *space)"""
    shape = (3, spec.in_channels, *(9, 8)[: spec.rank])
    return np.random.default_rng(0).standard_normal(shape)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_it_starts_as_a_static_convolution(kit, geometry):
    spec = ConvSpec(**geometry)
    arrays, x = random_arrays(spec.parameters(), 1), map_for(spec)
    conv = kit.build(spec, arrays)
    layer = kit.layer_class(CGConvSpec, spec.rank).from_static(conv)
    assert layer.spec == CGConvSpec(**geometry, head_init="zero")
    expected = evaluate(spec, arrays, x).output
    np.testing.assert_allclose(kit.run(layer, x), expected, rtol=1e-9, atol=1e-11)
    half = 2 if layer.spec.gated else 1
    assert np.array_equal(extract(layer)["weight"], arrays["weight"] * half)


def test_a_published_start_is_no_static_convolution(kit):
    conv = kit.build(ConvSpec(in_channels=4, out_channels=6, kernel_size=3))
    with pytest.raises(ValueError, match=r"head_init: expected 'zero'.* received 'published'"):
        kit.layer_class(CGConvSpec, 2).from_static(conv, head_init="published")


@pytest.mark.parametrize("bias", [False, True])
def test_a_norm_is_folded_into_it(kit, bias):
    spec = CGConvSpec(in_channels=4, out_channels=6, kernel_size=(3, 2), bias=bias)
    arrays, x = random_arrays(spec.parameters(), 2), map_for(spec)
    norm = {"weight": np.linspace(0.5, 2, 6), "bias": np.linspace(-1, 1, 6)}
    norm |= {"running_mean": np.linspace(0, 1, 6), "running_var": np.linspace(0.5, 3, 6)}
    conv = kit.build(spec, arrays)
    fused = kit.package.fuse(conv, kit.norm(2, norm, eps=0.1))
    scale = norm["weight"] / np.sqrt(norm["running_var"] + 0.1)
    rows = (scale, norm["bias"] - norm["running_mean"] * scale)
    scale, shift = (row[:, None, None] for row in rows)
    expected = evaluate(spec, arrays, x).output * scale + shift
    np.testing.assert_allclose(kit.run(fused, x), expected, rtol=1e-9, atol=1e-11)
    assert fused.spec == spec.fused(6)
    assert all(np.array_equal(arrays[key], array) for key, array in extract(conv).items())


def test_starts_are_those_of_the_published_code(kit):
    """Linear layers as PyTorch's, kernels at Kaiming normal, norms at the identity."""
    spec = CGConvSpec(in_channels=64, out_channels=64, kernel_size=(5, 7))
    arrays = extract(kit.build(spec, dtype="float32"))
    for name, fan_in in (("ce", 35), ("ci", 16), ("gd", 18), ("gd2", 18)):
        bound = fan_in**-0.5
        assert 0.9 * bound < np.abs(arrays[f"{name}.weight"]).max() <= bound * 1.0001
    assert arrays["weight"].std() == pytest.approx((2 / (64 * 35)) ** 0.5, rel=0.05)
    for name in ("ce_bn", "ci_bn2", "ci_bn"):
        assert (arrays[f"{name}.weight"] == 1).all() and not arrays[f"{name}.bias"].any()
    zero = extract(kit.build(CGConvSpec(**{**spec.options(), "head_init": "zero"})))
    assert not zero["gd.weight"].any() and not zero["gd2.weight"].any() and zero["ce.weight"].any()


def test_inputs_of_another_shape(kit):
    layer = kit.build(CGConvSpec(in_channels=4, out_channels=6, kernel_size=3))
    for shape in ((2, 5, 5, 4), (2, 4, 5)):
        with pytest.raises(ValueError, match=r"(?i)expected"):
            kit.run(layer.__call__, np.ones(shape))  # as a user calls it, which JAX's kit does not
