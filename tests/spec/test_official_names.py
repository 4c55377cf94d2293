"""Names, shapes and counts against the published implementation."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from odconv_spec import (
    ConvChoice,
    MobileNetV2Spec,
    RecalibrationChoice,
    ResNetSpec,
    ShuffleNetV2Spec,
    UnexplainedError,
    from_json,
    list_models,
    model_spec,
    to_json,
)
from odconv_spec.choice import KINDS
from odconv_spec.recalibrations import RECALIBRATIONS

GOLDEN = Path(__file__).parents[2] / "parity_tests" / "golden" / "official_names.json.gz"
OFFICIAL = json.loads(gzip.decompress(GOLDEN.read_bytes()))
SCALING = json.loads(gzip.decompress((GOLDEN.parent / "recalibration_names.json.gz").read_bytes()))


def spec_of(entry):
    name, _, kernel_num = entry.partition("/")
    return model_spec(name, **({"kernel_num": int(kernel_num)} if kernel_num else {}))


def test_there_are_28_official_models():
    assert len(OFFICIAL) == 28
    dynamic = set(KINDS) - {"static", "od"}
    others = tuple(f"{kind}_" for kind in (*dynamic, *RECALIBRATIONS))
    here = [name for name in list_models() if "shufflenetv2" not in name]  # of another repository
    published = {name for name in here if not name.startswith(others)}
    assert {entry.partition("/")[0] for entry in OFFICIAL} == published


@pytest.mark.parametrize("entry", OFFICIAL)
def test_names_and_shapes_are_the_official_ones(entry):
    parameters = spec_of(entry).parameters()
    assert {p.name: list(p.shape) for p in parameters} == OFFICIAL[entry]
    assert len({p.name for p in parameters}) == len(parameters)


@pytest.mark.parametrize("entry", OFFICIAL)
def test_json_gives_the_spec_back(entry):
    spec = spec_of(entry)
    assert from_json(to_json(spec)) == spec
    assert spec.name == entry.partition("/")[0]


def scaling_spec(entry):
    """Of a network with SE, CBAM or ECA; digits behind the name are the taps of each stage."""
    name, _, taps = entry.partition("/")
    return model_spec(name, **({"kernel_size": tuple(map(int, taps))} if taps else {}))


@pytest.mark.parametrize("entry", SCALING)
def test_networks_with_layers_that_scale_maps(entry):
    """Names and shapes are the official ones, and give the spec back."""
    spec = scaling_spec(entry)
    shapes = {p.name: p.shape for p in spec.parameters()}
    assert {name: list(shape) for name, shape in shapes.items()} == SCALING[entry]
    assert ResNetSpec.from_arrays(shapes) == spec
    assert from_json(to_json(spec)) == spec
    assert spec.name == entry.partition("/")[0]


MOBILE = [f"{kind}_mobilenetv2_{width}" for kind in RECALIBRATIONS for width in ("050", "100")]


@pytest.mark.parametrize("name", MOBILE)
def test_a_mobilenetv2_with_layers_that_scale_maps_comes_back_from_its_arrays(name):
    spec = model_spec(name)
    shapes = {p.name: p.shape for p in spec.parameters()}
    assert MobileNetV2Spec.from_arrays(shapes) == from_json(to_json(spec)) == spec
    assert spec.name == name


def test_places_and_taps_of_the_published_mobilenetv2_with_eca():
    """https://github.com/BangguWu/ECANet/blob/master/models/eca_mobilenetv2.py"""
    spec = model_spec("eca_mobilenetv2_100")
    assert spec.trainable_count() == 3_504_903
    plain = {p.name for p in model_spec("mobilenetv2_100").parameters()}
    taps = {p.name: p.shape[2] for p in spec.parameters() if p.name not in plain}
    first, *others = taps.items()
    assert first == ("features.1.conv.3.conv.weight", 1)
    assert others == [
        (f"features.{i}.conv.4.conv.weight", 1 if i < 11 else 3) for i in range(2, 18)
    ]
    small = model_spec("eca_mobilenetv2_100", stages=((1, 16, 1, 1), (3, 96, 1, 2)))
    assert dict(small.recalibration.options) == {"kernel_size": (1, 3)}


def test_a_stage_table_of_ones_own_beside_layers_that_scale_maps():
    few = {"stages": ((1, 16, 1, 1), (3, 24, 2, 2)), "width": 0.5}
    spec = MobileNetV2Spec(recalibration=RecalibrationChoice.of("cbam", reduction=2), **few)
    shapes = {p.name: p.shape for p in spec.parameters()}
    assert MobileNetV2Spec.from_arrays(shapes, stages=few["stages"]) == spec


def test_scaling_beside_a_dynamic_convolution():
    choice = RecalibrationChoice.of("eca", kernel_size=[5, 3])
    few = {"stages": ((8, 2), (12, 1)), "stem_channels": 8}
    spec = ResNetSpec(conv=ConvChoice.of("dy"), recalibration=choice, **few)
    shapes = {p.name: p.shape for p in spec.parameters()}
    assert shapes["layer1.1.eca.conv.weight"] == (1, 1, 5)
    assert shapes["layer2.0.eca.conv.weight"] == (1, 1, 3)
    assert ResNetSpec.from_arrays(shapes) == from_json(to_json(spec)) == spec


def test_what_earlier_versions_wrote_is_unchanged():
    assert "recalibration" not in to_json(model_spec("resnet18"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: RecalibrationChoice.of("bam"),
            "recalibration: expected one of 'se', 'cbam', 'eca'",
        ),
        (lambda: RecalibrationChoice.of("cbam", rank=3), "has the options .*; received .'rank'."),
        (lambda: RecalibrationChoice.of("eca", kernel_size=(3, 4)), "expected an odd number"),
        (lambda: model_spec("eca_resnet18", kernel_size=(3, 5)), "expected options of 4 stages"),
        (
            lambda: model_spec("se_resnet18", kernel_num=2),
            "se_resnet18 has the options .*reduction",
        ),
        (
            lambda: ShuffleNetV2Spec(recalibration=RecalibrationChoice.of("se")),
            "recalibration: expected None in a ShuffleNetV2",
        ),
        (
            lambda: MobileNetV2Spec(recalibration=RecalibrationChoice.of("eca", kernel_size=(3,))),
            "recalibration: expected options of 7 stages, received 1",
        ),
        (lambda: from_json('{"family": "resnet", "recalibration": 3}'), "recalibration: expected"),
        (
            lambda: from_json('{"family": "resnet", "recalibration_options": [1]}'),
            "recalibration_options: expected options",
        ),
    ],
)
def test_layers_that_a_network_cannot_have(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_taps_that_differ_within_a_stage():
    spec = model_spec("eca_resnet18")
    shapes = {p.name: p.shape for p in spec.parameters()} | {"layer2.1.eca.conv.weight": (1, 1, 5)}
    with pytest.raises(UnexplainedError, match="the layers have different numbers of taps"):
        ResNetSpec.from_arrays(shapes)
