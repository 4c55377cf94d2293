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
            lambda: MobileNetV2Spec(recalibration=RecalibrationChoice.of("se")),
            "recalibration: expected None in a MobileNetV2",
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
