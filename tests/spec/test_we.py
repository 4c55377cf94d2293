"""Weight excitation: options, names, sizes, and the way back from arrays."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from odconv_spec import (
    ConvSpec,
    DyConvSpec,
    ResNetSpec,
    UnexplainedError,
    WEConvSpec,
    from_json,
    model_spec,
    multiply_adds,
    to_json,
)
from odconv_spec.choice import shown_kind

GOLDEN = Path(__file__).parents[2] / "parity_tests" / "golden"
NAMES = json.loads(gzip.decompress((GOLDEN / "we_names.json.gz").read_bytes()))
COUNTS = {"we_resnet18": 11_846_178, "we_resnet50": 28_059_058, "we_resnet101": 49_585_682}
WIDTHS = {"in_channels": 32, "out_channels": 6}


def shapes_of(spec):
    return {parameter.name: parameter.shape for parameter in spec.parameters()}


@pytest.mark.parametrize("entry", NAMES)
def test_names_and_shapes_are_those_of_the_public_code(entry):
    spec = model_spec(entry.replace("we_lwe_", "we_"))
    shapes = shapes_of(spec)
    assert {name: list(shape) for name, shape in shapes.items()} == NAMES[entry]
    assert ResNetSpec.from_arrays(shapes) == from_json(to_json(spec)) == spec


@pytest.mark.parametrize("name", COUNTS)
def test_parameters_are_those_of_training(name):
    spec = model_spec(name)
    assert spec.trainable_count() == COUNTS[name]
    assert multiply_adds(spec) == multiply_adds(model_spec(name.removeprefix("we_")))


@pytest.mark.parametrize(
    "spec",
    [
        WEConvSpec(**WIDTHS, kernel_size=(3, 5), bias=True),
        WEConvSpec(**WIDTHS, kernel_size=1, reduction=8),
        WEConvSpec(in_channels=64, out_channels=64, kernel_size=3, groups=64, rank=1),
        WEConvSpec(in_channels=3, out_channels=4, kernel_size=(1, 2, 3), rank=3),
    ],
)
def test_a_lone_layer_comes_back_from_its_arrays(spec):
    assert WEConvSpec.from_arrays(shapes_of(spec)) == spec
    assert shown_kind(shapes_of(spec)) is WEConvSpec


def test_what_has_no_arrays_is_taken_to_be_off():
    spec = WEConvSpec(**WIDTHS, kernel_size=3, standardize=True, magnitude=True)
    assert WEConvSpec.from_arrays(shapes_of(spec)) == WEConvSpec(**WIDTHS, kernel_size=3)
    bare = WEConvSpec(**WIDTHS, kernel_size=3, standardize=True, location=False)
    assert bare.parameters() == ConvSpec(**WIDTHS, kernel_size=3).parameters()
    assert shown_kind(shapes_of(bare)) is None


def test_other_layers_called_fc1_are_not_taken_for_it():
    dy = shapes_of(DyConvSpec(**WIDTHS, kernel_size=3))
    assert shown_kind(dy) is DyConvSpec
    assert not WEConvSpec.shows({f"layer1.0.conv1.{name}": shape for name, shape in dy.items()})
    timm = {"conv2.weight": (64, 64, 3, 3), "se.fc1.weight": (8, 64, 1, 1)}
    assert not WEConvSpec.shows(timm)
    beside = {"weight": (64, 32, 3, 3), "fc1.weight": (4, 64, 1, 1)}  # reads other channels
    assert not WEConvSpec.shows(beside)


def test_groups_that_no_array_shows():
    shapes = shapes_of(WEConvSpec(in_channels=64, out_channels=12, kernel_size=3, groups=4))
    assert WEConvSpec.from_arrays(shapes).in_channels == 16  # as if all were one group
    shapes = shapes_of(WEConvSpec(in_channels=64, out_channels=12, kernel_size=3, groups=2))
    assert shapes["fc1.weight"] == (4, 32, 1, 1)
    shapes |= {"fc1.weight": (33, 32, 1, 1)}
    with pytest.raises(UnexplainedError, match="no reduction explains the hidden widths of LWE"):
        WEConvSpec.from_arrays(shapes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"location": False}, "location: expected True, or magnitude=True or standardize=True"),
        ({"magnitude": 1}, "magnitude: expected True or False, received 1"),
        ({"reduction": 0}, "reduction: expected a whole number >= 1, received 0"),
        ({"head_init": "one"}, "head_init: expected one of 'zero', 'published'"),
        (
            {"standardize": True, "groups": 32, "out_channels": 32},
            "standardize: expected False for filters of a single weight.*groups=32",
        ),
    ],
)
def test_options_that_it_cannot_have(options, message):
    with pytest.raises(ValueError, match=message):
        WEConvSpec(**{**WIDTHS, "kernel_size": 1, **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"standardize": True}, "standardize: expected False, received True; every filter"),
        ({"head_init": "published"}, "head_init: expected 'zero', which keeps the function"),
    ],
)
def test_starts_that_would_not_keep_a_function(options, message):
    spec = WEConvSpec(**{**WIDTHS, "kernel_size": 3, "head_init": "zero", **options})
    with pytest.raises(ValueError, match=message):
        spec.check_static_start()
