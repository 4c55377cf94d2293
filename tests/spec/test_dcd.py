"""Dynamic channel fusion: the published names and shapes, and widths that it cannot have."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from odconv_spec import (
    ConvSpec,
    DCDConvSpec,
    DCDLinearSpec,
    MobileNetV2Spec,
    UnexplainedError,
    from_json,
    model_spec,
    multiply_adds,
    to_json,
)
from odconv_spec.linears import lone_linear
from parity_tests.kinds.dcd import LAYERS
from weights_converter.names.dialect_tables import DCD_MOBILENETV2, DCD_RESNET

GOLDEN = Path(__file__).parents[2] / "parity_tests" / "golden" / "dcd_names.json.gz"
PUBLISHED = json.loads(gzip.decompress(GOLDEN.read_bytes()))
LONE = [spec for spec, _, _ in LAYERS if isinstance(spec, DCDConvSpec)]


def spec_of(entry):
    name, _, squeeze = entry.partition("/")
    return model_spec(name, **({"fc_squeeze": int(squeeze)} if squeeze else {}))


def shapes_of(spec):
    return {p.name: p.shape for p in spec.parameters()}


@pytest.mark.parametrize("entry", PUBLISHED)
def test_names_and_shapes_are_the_published_ones(entry):
    """In their order, too; by the names of the published code, and back."""
    spec = spec_of(entry)
    dialect = DCD_RESNET if "resnet" in entry else DCD_MOBILENETV2
    wild = {dialect.wild(name): list(shape) for name, shape in shapes_of(spec).items()}
    assert list(wild.items()) == list(PUBLISHED[entry].items())
    assert [dialect.canonical(name) for name in wild] == list(shapes_of(spec))
    assert dialect.spoken(PUBLISHED[entry])
    assert not dialect.spoken(shapes_of(spec))
    with_dropout = {name.replace("classifier.0", "classifier.1") for name in wild}
    assert {dialect.canonical(name) for name in with_dropout} == set(shapes_of(spec))


@pytest.mark.parametrize("entry", PUBLISHED)
def test_arrays_give_the_spec_back(entry):
    spec = spec_of(entry)
    assert type(spec).from_arrays(shapes_of(spec)) == from_json(to_json(spec)) == spec
    assert spec.name == entry.partition("/")[0]


@pytest.mark.parametrize(("name", "count"), [("resnet34", 27_649_068), ("resnet101", 53_227_056)])
def test_counts_of_networks_whose_sizes_are_not_printed(name, count):
    assert model_spec(f"dcd_{name}").trainable_count() == count


def test_what_stays_static():
    spec = model_spec("dcd_mobilenetv2_100")
    first, second, *_ = spec.blocks()
    assert {conv.kind for conv in (*first.activated, first.project, spec.stem.conv)} == {"static"}
    assert (second.expand.kind, second.depthwise.kind, second.project.kind) == (
        "dcd",
        "static",
        "dcd",
    )
    assert spec.last.conv.kind == "static"
    block = list(model_spec("dcd_resnet50").blocks())[3]
    assert block.downsample.kind == "static"
    assert {conv.form for conv in block.convs} == {"bottleneck"}


@pytest.mark.parametrize("spec", LONE, ids=str)
def test_a_lone_layer_is_told_by_its_arrays(spec):
    found = DCDConvSpec.from_arrays(shapes_of(spec))
    assert shapes_of(found) == shapes_of(spec)
    assert (found.form, found.kernel, found.groups, found.bias) == (
        spec.form,
        spec.kernel,
        spec.groups,
        spec.bias,
    )


def test_a_lone_classifier_is_told_by_its_arrays():
    spec = DCDLinearSpec(20, 9, bias=False, dim=8, squeeze=4)
    assert lone_linear(shapes_of(spec)) == spec
    assert not DCDConvSpec.is_lone(shapes_of(spec))
    assert lone_linear(shapes_of(LONE[0])) is None


@pytest.mark.parametrize("form", ["basic", "inverted"])
def test_multiply_adds_are_those_of_its_layers(form):
    spec = DCDConvSpec(
        in_channels=9, out_channels=30, kernel_size=3, stride=2, padding=1, form=form
    )
    static = multiply_adds(spec.conv(), (7, 8)) + multiply_adds(spec.q(), (7, 8))
    low_rank = 4 * 4 * (spec.dim**2 + spec.dim * 30)
    weights = sum(s.in_channels * s.out_channels for s in spec.fusion().values())
    assert multiply_adds(spec, (7, 8)) == static + low_rank + weights + 9 * 7 * 8 + 30 * 4 * 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"in_channels": 12, "form": "bottleneck"},
            "in_channels: expected at least 16 for form='bottleneck', .*received 12; the nearest "
            "is in_channels=16, or fc_squeeze=12",
        ),
        ({"form": "conv_dy"}, "form: expected one of 'basic', 'bottleneck', 'inverted'"),
        ({"fc_squeeze": 0}, "fc_squeeze: expected a whole number >= 1, received 0"),
        ({"head_init": "ones"}, "head_init: expected one of 'zero', 'published'"),
    ],
)
def test_wrong_options_name_what_was_expected(options, message):
    with pytest.raises(ValueError, match=message):
        DCDConvSpec(**{"in_channels": 16, "out_channels": 8, "kernel_size": 3} | options)


def test_hidden_widths_that_no_option_explains():
    shapes = shapes_of(model_spec("dcd_resnet18"))
    shapes["layer4.1.conv2.fc.0.weight"] = (65, 2048)
    with pytest.raises(UnexplainedError, match=r"no fc_squeeze explains .* 32 at least and 16"):
        DCDConvSpec.infer_options(shapes)
    shapes["layer4.1.conv2.fc.0.weight"] = (0, 2048)
    with pytest.raises(UnexplainedError, match="expected a hidden width"):
        DCDConvSpec.infer_options(shapes)


def test_a_table_of_ones_own_expands_from_the_first_block():
    spec = MobileNetV2Spec(
        conv=model_spec("dcd_mobilenetv2_050").conv, stages=((4, 8, 1, 1), (1, 8, 1, 1))
    )
    first, second = spec.blocks()
    assert isinstance(first.expand, DCDConvSpec) and isinstance(first.project, DCDConvSpec)
    assert type(second.project) is ConvSpec
