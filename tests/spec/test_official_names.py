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
    published = {name for name in list_models() if not name.startswith(("dy_", "cond_"))}
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
