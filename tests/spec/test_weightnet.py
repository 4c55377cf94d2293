"""WeightNet and ShuffleNetV2: names, shapes and counts as published, and what is refused."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from odconv_spec import (
    ConvChoice,
    ShuffleNetV2Spec,
    UnexplainedError,
    WeightNetConvSpec,
    from_json,
    model_spec,
    to_json,
)

GOLDEN = Path(__file__).parents[2] / "parity_tests" / "golden" / "weightnet_names.json.gz"
OFFICIAL = json.loads(gzip.decompress(GOLDEN.read_bytes()))["weightnet_shufflenetv2_1.0"]
COUNTS = {"050": 1_463_928, "100": 2_435_832, "150": 3_915_344, "200": 6_198_068}


def shapes_of(spec):
    return {p.name: p.shape for p in spec.parameters()}


def test_names_shapes_and_their_order_are_the_official_ones():
    shapes = shapes_of(model_spec("weightnet_shufflenetv2_100"))
    assert {name: list(shape) for name, shape in shapes.items()} == OFFICIAL
    assert list(shapes) == list(OFFICIAL)


@pytest.mark.parametrize("size", COUNTS)
def test_counts_are_those_of_the_published_code(size):
    spec = model_spec(f"weightnet_shufflenetv2_{size}")
    assert spec.trainable_count() == COUNTS[size]


@pytest.mark.parametrize(
    "name",
    [
        *("shufflenetv2_100", "shufflenetv2_200", "od_shufflenetv2_050", "dy_shufflenetv2_050"),
        *("cond_shufflenetv2_050", "weightnet_shufflenetv2_200", "weightnet_mobilenetv2_050"),
        *("weightnet_resnet18", "weightnet_resnet50"),
    ],
)
def test_arrays_and_text_give_the_spec_back(name):
    spec = model_spec(name, num_classes=7)
    assert spec.name == name
    assert type(spec).from_arrays(shapes_of(spec)) == spec
    assert from_json(to_json(spec)) == spec


def test_other_options_give_the_spec_back():
    conv = ConvChoice.of("weightnet", multiplier=3, fc_groups=1, reduction=4, min_channels=2)
    few = {"stages": ((16, 2), (20, 1)), "stem_channels": 8, "last_channels": 12}
    spec = ShuffleNetV2Spec(conv=conv, conv_bias=True, head_bias=True, num_classes=0, **few)
    found = ShuffleNetV2Spec.from_arrays(shapes_of(spec))
    assert shapes_of(found) == shapes_of(spec)
    assert found.conv == conv


def test_the_blocks_of_a_resnet_share_their_reduce():
    shapes = shapes_of(model_spec("weightnet_resnet18"))
    assert shapes["layer2.0.reduce.weight"] == (16, 64, 1, 1)
    assert shapes["layer4.1.reduce.weight"] == (32, 512, 1, 1)
    assert shapes["layer4.1.conv2.wn_fc1.weight"] == (1024, 32, 1, 1)
    assert shapes["layer2.0.downsample.0.wn_fc2.weight"] == (128 * 64, 1, 1, 1)
    assert "layer2.0.conv1.reduce.weight" not in shapes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"in_channels": 3, "kernel_size": 7}, r"3 \* 49 = 147; the nearest width is 2"),
        ({"in_channels": 1, "kernel_size": 3}, "the nearest width is 2"),
        ({"in_channels": 7, "kernel_size": 1, "multiplier": 4, "fc_groups": 4}, "width is 8"),
        ({"multiplier": 3}, "multiplier: expected a multiple of fc_groups=2, .*nearest is 4"),
        ({"groups": 2}, "groups: expected 1, or as many as in_channels=4 and out_channels=4"),
        ({"router": "none"}, "router: expected one of 'own', 'shared'"),
        ({"hidden_channels": 0}, "hidden_channels: expected a whole number >= 1"),
    ],
)
def test_layers_that_cannot_be(options, message):
    with pytest.raises(ValueError, match=message):
        WeightNetConvSpec(**{"in_channels": 4, "out_channels": 4, "kernel_size": 3, **options})


@pytest.mark.parametrize(
    ("stages", "nearest"), [(((49, 2),), 50), (((24, 1),), 26), (((48, 1), (47, 1)), 50)]
)
def test_widths_that_cannot_be(stages, nearest):
    with pytest.raises(ValueError, match=f"the nearest is {nearest}$"):
        ShuffleNetV2Spec(stages=stages)


def test_lone_layers_come_back_from_their_arrays():
    plain = WeightNetConvSpec(in_channels=6, out_channels=5, kernel_size=3, bias=True)
    depthwise = WeightNetConvSpec(in_channels=6, out_channels=6, kernel_size=3, groups=6)
    for spec in (plain, depthwise):
        assert WeightNetConvSpec.from_arrays(shapes_of(spec)) == spec


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel_size": (2, 3)}, "are of no WeightNet with square kernels"),
        ({"kernel_size": 3, "router": "shared"}, "whose block has the `reduce`"),
        # 18 channels: nine filters of one tap, or eighteen of nine.
        ({"in_channels": 18, "out_channels": 9, "kernel_size": 1}, "are of more than one"),
        ({"kernel_size": 3, "in_channels": 1000, "hidden_channels": 60}, "no reduction explains"),
    ],
)
def test_lone_layers_that_arrays_do_not_tell(options, message):
    spec = WeightNetConvSpec(**{"in_channels": 4, "out_channels": 6, **options})
    with pytest.raises(UnexplainedError, match=message):
        WeightNetConvSpec.from_arrays(shapes_of(spec))


def test_a_network_without_its_first_block():
    shapes = shapes_of(model_spec("shufflenetv2_050"))
    rest = {n: s for n, s in shapes.items() if not n.startswith("features.0.branch_proj")}
    with pytest.raises(UnexplainedError, match=r"features\.0\.branch_proj\.1\.weight: expected"):
        ShuffleNetV2Spec.from_arrays(rest)
