"""Context-gated convolution: the published names and shapes, and widths that it cannot have."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from odconv_spec import (
    CGConvSpec,
    ConvSpec,
    ResNetSpec,
    UnexplainedError,
    from_json,
    list_models,
    model_spec,
    multiply_adds,
    to_json,
)
from parity_tests.kinds.cgc import LAYERS

GOLDEN = Path(__file__).parents[2] / "parity_tests" / "golden" / "cgc_names.json.gz"
PUBLISHED = json.loads(gzip.decompress(GOLDEN.read_bytes()))
GEOMETRY = {"in_channels": 32, "out_channels": 6, "kernel_size": 3}


def shapes_of(spec):
    return {p.name: p.shape for p in spec.parameters()}


@pytest.mark.parametrize("name", PUBLISHED)
def test_names_and_shapes_are_the_published_ones(name):
    """In their order, too; and they give the spec back."""
    spec = model_spec(name)
    shapes = shapes_of(spec)
    assert [(key, list(shape)) for key, shape in shapes.items()] == list(PUBLISHED[name].items())
    assert ResNetSpec.from_arrays(shapes) == from_json(to_json(spec)) == spec
    assert spec.name == name


def test_the_models_are_resnets():
    """Whose kernels of one tap, and the projections of their shortcuts, are static."""
    models = [name for name in list_models() if name.startswith("cgc_")]
    assert models == [f"cgc_resnet{depth}" for depth in (18, 34, 50, 101)]
    spec = model_spec("cgc_resnet50", in_channels=1)
    assert type(spec.stem) is CGConvSpec and spec.stem.mixed == 1
    for block in spec.blocks():
        assert [type(conv) for conv in block.convs] == [ConvSpec, CGConvSpec, ConvSpec]
        assert type(block.downsample) in (ConvSpec, type(None))


@pytest.mark.parametrize("spec", [spec for spec, _, _ in LAYERS if spec.gated])
def test_a_lone_layer_comes_back_from_its_arrays(spec):
    geometry = {"stride": 1, "padding": 0, "dilation": 1}
    kept = {key: value for key, value in spec.options().items() if key not in geometry}
    assert CGConvSpec.shows(shapes_of(spec)) and CGConvSpec.is_lone(shapes_of(spec))
    assert CGConvSpec.from_arrays(shapes_of(spec)) == CGConvSpec(**kept, rank=spec.rank)


@pytest.mark.parametrize(
    ("array", "shape", "message"),
    [
        ("weight", (6, 16, 3, 3), r"weight \(6, 16, 3, 3\) is of other channels or taps"),
        ("weight", (6, 32, 3, 2), r"weight \(6, 32, 3, 2\) is of other channels or taps"),
        ("weight", (7, 32, 3, 3), "out_channels: expected a multiple of 2"),
        ("ce_bn.weight", (), "expected an array with at least 1 axes"),
    ],
)
def test_arrays_that_contradict_each_other(array, shape, message):
    shapes = {**shapes_of(CGConvSpec(**GEOMETRY)), array: shape}
    with pytest.raises(UnexplainedError, match=message):
        CGConvSpec.from_arrays(shapes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": 2}, "groups: expected 1, because a gate is for each pair .*, received 2"),
        ({"in_channels": 24}, "at most 16 or a multiple of 16, .* received 24; .*: 16 and 32"),
        ({"in_channels": 17}, "received 17; next to it: 16 and 32"),
        ({"in_channels": 64, "out_channels": 10}, "multiple of 4, .*received 10; .*: 8 and 12"),
        ({"in_channels": 64, "out_channels": 3}, "received 3; next to it: 4"),
        ({"head_init": "ones"}, "head_init: expected one of 'zero', 'published'"),
    ],
)
def test_what_it_cannot_have(options, message):
    with pytest.raises(ValueError, match=message):
        CGConvSpec(**GEOMETRY | options)


def test_a_kernel_of_one_tap_is_a_plain_convolution():
    spec = CGConvSpec(in_channels=24, out_channels=6, kernel_size=1, groups=2, bias=True)
    plain = ConvSpec(in_channels=24, out_channels=6, kernel_size=1, groups=2, bias=True)
    assert spec.parameters() == plain.parameters()
    assert multiply_adds(spec, 5) == multiply_adds(plain, 5)


def test_multiply_adds_of_a_layer():
    """The mean, encoding and decoding of the channels, their interaction, and the products."""
    coding = (2 * 32 + 6) * 9 * 5
    gate = 32 * 20 + coding + 6 * 16 * 5 + 6 * 32 * 9
    plain = ConvSpec(**GEOMETRY)
    assert multiply_adds(CGConvSpec(**GEOMETRY), (4, 5)) == multiply_adds(plain, (4, 5)) + gate
