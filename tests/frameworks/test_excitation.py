"""Layers with weight excitation as static ones."""

from __future__ import annotations

import numpy as np
import pytest

from odconv_spec import ConvSpec, WEConvSpec, model_spec
from parity_tests.golden.loader import FOLDER, load_golden
from parity_tests.reference import evaluate, random_arrays
from tests.frameworks.test_from_static import CONV, GEOMETRIES, maps
from tests.frameworks.test_fuse import NORM, close, normalised
from weights_converter import extract

ALL = {"standardize": True, "location": True, "magnitude": True}
SPECS = {
    "2d": WEConvSpec(
        in_channels=4, out_channels=6, kernel_size=(3, 2), groups=2, stride=2, padding=1, **ALL
    ),
    "1d": WEConvSpec(in_channels=4, out_channels=6, kernel_size=3, rank=1, bias=True),
    "3d": WEConvSpec(in_channels=4, out_channels=6, kernel_size=(2, 1, 3), rank=3, magnitude=True),
}
KEPT = ({}, {"magnitude": True}, {"location": False, "magnitude": True, "reduction": 2})


@pytest.mark.parametrize("name", ["we_00", "we_01"])
def test_the_kernel_is_that_of_the_public_code(kit, name):
    golden = load_golden(name)
    with np.load(FOLDER / f"{name}.npz") as file:
        kernel = file["eval/weight"]
    layer = kit.build(golden.spec, golden.arrays)
    close(extract(layer.to_static())["weight"], kernel)


@pytest.mark.parametrize("name", SPECS)
def test_the_static_layer_computes_the_same(kit, name):
    spec, x = SPECS[name], maps(SPECS[name].rank)
    arrays = random_arrays(spec.parameters(), 1)
    layer = kit.build(spec, arrays)
    static, expected = layer.to_static(), evaluate(spec, arrays, x).output
    assert not isinstance(static, type(layer))
    close(kit.run(static, x), expected)
    close(kit.run(layer, x[:1]), expected[:1])
    assert all(np.array_equal(arrays[key], array) for key, array in extract(layer).items())


@pytest.mark.parametrize("name", SPECS)
def test_a_norm_goes_into_the_static_layer(kit, name):
    spec, x = SPECS[name], maps(SPECS[name].rank)
    arrays = random_arrays(spec.parameters(), 2)
    layer = kit.build(spec, arrays)
    fused = kit.package.fuse(layer, kit.norm(spec.rank, NORM, eps=0.1))
    assert not isinstance(fused, type(layer))
    close(kit.run(fused, x), normalised(evaluate(spec, arrays, x).output, NORM, eps=0.1))


def test_a_norm_of_other_channels(kit):
    layer = kit.build(WEConvSpec(in_channels=4, out_channels=8, kernel_size=3))
    with pytest.raises(ValueError, match="norm: expected 8 channels"):
        kit.package.fuse(layer, kit.norm(2, NORM))


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_the_function_is_kept_for_every_geometry(kit, geometry):
    spec = ConvSpec(in_channels=4, out_channels=8, **geometry)
    arrays, x = random_arrays(spec.parameters(), 1), maps(spec.rank)
    layer = kit.layer_class(WEConvSpec, spec.rank).from_static(kit.build(spec, arrays))
    close(kit.run(layer, x), evaluate(spec, arrays, x).output)
    assert layer.spec == WEConvSpec(**spec.options(), rank=spec.rank, head_init="zero")


@pytest.mark.parametrize("options", KEPT, ids=str)
def test_the_function_is_kept_for_every_option(kit, options):
    arrays, x = random_arrays(CONV.parameters(), 2), maps(2)
    layer = kit.layer_class(WEConvSpec, 2).from_static(kit.build(CONV, arrays), **options)
    close(kit.run(layer, x), evaluate(CONV, arrays, x).output)
    assert options.items() <= vars(layer.spec).items()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"standardize": True}, "standardize: expected False, received True; every filter"),
        ({"head_init": "published"}, "head_init: expected 'zero', which keeps the function"),
    ],
)
def test_starts_that_would_not_keep_the_function(kit, options, message):
    with pytest.raises(ValueError, match=message):
        kit.layer_class(WEConvSpec, 2).from_static(kit.build(CONV), **options)


def test_a_weight_of_zeros_stays_one(kit):
    spec = WEConvSpec(in_channels=4, out_channels=6, kernel_size=3, **ALL)
    arrays = {name: np.zeros_like(a) for name, a in random_arrays(spec.parameters(), 3).items()}
    layer = kit.build(spec, arrays)
    assert not kit.run(layer, maps(2)).any()


def test_every_convolution_of_a_resnet_has_it(kit):
    few = {"stages": ((8, 1), (12, 1)), "stem_channels": 8, "num_classes": 5}
    network = kit.build(model_spec("we_resnet18", **few))
    owners = {n.removesuffix("fc1.weight") for n in extract(network) if n.endswith("fc1.weight")}
    kernels = {n for n, a in extract(network).items() if a.ndim == 4 and ".fc" not in n}
    assert {f"{owner}weight" for owner in owners} == kernels
    assert len(kernels) == 1 + 2 + 3
