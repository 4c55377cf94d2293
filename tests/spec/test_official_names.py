"""Names, shapes and counts against the published implementation."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from odconv_spec import from_json, list_models, model_spec, to_json

GOLDEN = Path(__file__).parents[2] / "parity_tests" / "golden" / "official_names.json.gz"
OFFICIAL = json.loads(gzip.decompress(GOLDEN.read_bytes()))


def spec_of(entry):
    name, _, kernel_num = entry.partition("/")
    return model_spec(name, **({"kernel_num": int(kernel_num)} if kernel_num else {}))


def test_there_are_28_official_models():
    assert len(OFFICIAL) == 28
    assert {entry.partition("/")[0] for entry in OFFICIAL} == set(list_models())


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


# Published sizes in millions, from the README of the official release and the paper's tables.
@pytest.mark.parametrize(
    ("entry", "millions"),
    [
        ("resnet18", "11.69"),
        ("od_resnet18/1", "11.94"),
        ("od_resnet18/4", "44.90"),
        ("resnet50", "25.56"),
        ("od_resnet50/1", "28.64"),
        ("od_resnet50/4", "90.67"),
        ("resnet101", "44.55"),
        ("od_resnet101/1", "50.82"),
        ("od_resnet101/2", "90.44"),
        ("mobilenetv2_100", "3.50"),
        ("od_mobilenetv2_100/1", "4.94"),
        ("od_mobilenetv2_100/4", "11.51"),
        ("mobilenetv2_075", "2.64"),
        ("od_mobilenetv2_075/1", "3.51"),
        ("od_mobilenetv2_075/4", "7.50"),
        ("mobilenetv2_050", "1.97"),
        ("od_mobilenetv2_050/1", "2.43"),
        ("od_mobilenetv2_050/4", "4.44"),
    ],
)
def test_trainable_counts_are_the_published_ones(entry, millions):
    assert f"{spec_of(entry).trainable_count() / 1e6:.2f}" == millions


def test_reduction_ablation_of_the_paper():
    counts = {
        denominator: model_spec("od_resnet18", reduction=1 / denominator).trainable_count()
        for denominator in (4, 8, 16, 32)
    }
    # Counted from the official code; hidden widths have a floor of 16.
    assert {k: f"{v / 1e6:.2f}" for k, v in counts.items()} == {
        4: "12.58",
        8: "12.15",
        16: "11.94",
        32: "11.87",
    }
