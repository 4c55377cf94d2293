"""Layers with dynamic channel fusion."""

from __future__ import annotations

import numpy as np
import pytest

from odconv_spec import ConvSpec, DCDConvSpec, DCDLinearSpec, model_spec
from odconv_spec.dcd_conv import FORMS
from parity_tests.reference import evaluate, random_arrays
from tests.frameworks.test_from_static import CONV, GEOMETRIES, maps
from tests.frameworks.test_fuse import NORM, close, normalised
from weights_converter import extract

FOLDED = {
    "basic": DCDConvSpec(in_channels=4, out_channels=6, kernel_size=3, stride=2, padding=1),
    "uneven": DCDConvSpec(
        in_channels=4, out_channels=6, kernel_size=(2, 3), groups=2, bias=True, form="inverted"
    ),
    "1d": DCDConvSpec(in_channels=4, out_channels=6, kernel_size=3, rank=1),
}
SMALL = {"stages": ((8, 1), (12, 1)), "stem_channels": 8, "num_classes": 5}


def starts_static(kit, arrays, geometry, **options):
    """A layer that was made of a static one, which computes the same."""
    spec = ConvSpec(in_channels=4, out_channels=8, **geometry)
    found = random_arrays(spec.parameters(), 1) if arrays is None else arrays
    x = maps(spec.rank)
    layer = kit.layer_class(DCDConvSpec, spec.rank).from_static(kit.build(spec, found), **options)
    close(kit.run(layer, x), evaluate(spec, found, x).output)
    known = spec.options() | {"rank": spec.rank, "head_init": "zero"}
    assert layer.spec == DCDConvSpec(**known | options)
    return layer


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_it_starts_as_the_static_convolution(kit, geometry):
    starts_static(kit, None, geometry)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_starts_as_the_static_convolution(kit, form):
    layer = starts_static(kit, None, GEOMETRIES[0], form=form, fc_squeeze=4)
    arrays = extract(layer)
    assert not arrays[f"{layer.spec.p_path}.weight"].any()
    assert not arrays["fc_scale.weight"].any()
    assert arrays["fc_phi.weight"].any()  # so that it gets other gradients than zero


def test_the_published_start_is_no_static_convolution(kit):
    with pytest.raises(ValueError, match=r"head_init: expected 'zero'.* received 'published'"):
        kit.layer_class(DCDConvSpec, 2).from_static(kit.build(CONV), head_init="published")


def test_linear_layers_start_small_in_mobilenetv2_only(kit):
    widths = {"in_channels": 64, "out_channels": 64, "kernel_size": 1}
    for form, low, high in (("inverted", 0.008, 0.012), ("bottleneck", 0.05, 0.1)):
        arrays = extract(kit.build(DCDConvSpec(**widths, form=form)))
        assert low < arrays["fc.0.weight"].std() < high
    usual = arrays["conv.weight"].std() * np.sqrt(64 / 2)  # normal over the fan-out
    assert usual == pytest.approx(1, rel=0.1)


@pytest.mark.parametrize("name", FOLDED)
def test_a_norm_is_folded_in(kit, name):
    spec = FOLDED[name]
    x, arrays = maps(spec.rank), random_arrays(spec.parameters(), 1)
    conv = kit.build(spec, arrays)
    fused = kit.package.fuse(conv, kit.norm(spec.rank, NORM, eps=0.1))
    expected = normalised(evaluate(spec, arrays, x).output, NORM, eps=0.1)
    close(kit.run(fused, x), expected)
    assert type(fused) is type(conv) and fused.spec == spec.fused(6) and fused.spec.bias
    close(kit.run(kit.build(fused.spec, extract(fused)), x), expected)
    assert all(np.array_equal(arrays[key], array) for key, array in extract(conv).items())


def test_every_array_trains_in_a_network(kit):
    x = np.random.default_rng(0).standard_normal((3, 3, 40, 32))
    assert kit.idle(kit.build(model_spec("dcd_resnet18", **SMALL)), x) == []


def test_static_convolutions_are_replaced(kit):
    x = np.random.default_rng(0).standard_normal((2, 3, 16, 17))
    static = kit.network()
    before = kit.run(static, x)
    replaced = kit.package.replace_convs(static, "dcd", fc_squeeze=4)
    close(kit.run(replaced.model, x), before)
    assert [layer.spec.kind for layer in kit.dynamic(replaced.model)] == ["dcd", "dcd"]


@pytest.mark.parametrize("shape", [(2, 5), (2, 4, 1, 1)])
def test_a_classifier_of_other_widths(kit, shape):
    layer = kit.build(DCDLinearSpec(4, 3))
    kit.run(layer, np.ones((2, 4)))
    with pytest.raises(ValueError, match=r"expected|incompatible"):
        kit.run(layer, np.ones(shape))


def test_a_classifier_of_one_sample_trains_on_running_statistics(kit):
    spec = DCDLinearSpec(4, 3)
    arrays, x = random_arrays(spec.parameters(), 3), np.ones((1, 4))
    layer = kit.build(spec, arrays)
    expected = evaluate(spec, arrays, x).output
    close(kit.run(layer, x, training=True), expected)
    assert all(np.array_equal(arrays[name], array) for name, array in extract(layer).items())


def test_another_classifier(kit):
    model = kit.build(model_spec("dcd_resnet18", **SMALL), dtype="float32")
    model.reset_classifier(3)
    assert type(model.get_classifier()).__name__ == "DCDLinear"
    assert model.spec.num_classes == 3
    model.reset_classifier(0)
    assert model.spec.head is None
