"""Checkpoints with the published names of every method: recognised, converted, there and back."""

from __future__ import annotations

import gzip
import json
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.converter.wild import assert_same, loaded, write
from tests.quick import quick
from weights_converter import convert
from weights_converter.identify.open_model import open_model

GOLDEN = Path(__file__).parents[2] / "parity_tests" / "golden"
NETWORKS = {
    entry: shapes
    for file in sorted(GOLDEN.glob("*_names.json.gz"))
    if not file.name.startswith("official")  # which tests/converter/test_conversion.py has
    for entry, shapes in json.loads(gzip.decompress(file.read_bytes())).items()
}
SMALLEST = ("weightnet_shufflenetv2_1.0",)
ENDINGS = (".safetensors", ".pdparams", ".weights.h5", ".npz", ".safetensors")


def random_of(name, shape, generator):
    array = generator.standard_normal(shape, dtype=np.float32)
    return np.abs(array) + 0.1 if name.endswith("running_var") else array


@pytest.mark.parametrize("entry", quick(SMALLEST, NETWORKS))
def test_a_published_checkpoint_there_and_back(entry, tmp_path):
    generator = np.random.default_rng(7)
    shapes = NETWORKS[entry].items()
    arrays = {name: random_of(name, shape, generator) for name, shape in shapes}
    source = write(tmp_path / "published.pth", arrays)
    opened = open_model(source)
    assert opened.spec.name == name_of(entry)
    paths = [source, *(tmp_path / f"{number}{ending}" for number, ending in enumerate(ENDINGS))]
    for before, after in pairwise(paths):
        convert(before, after)
        assert open_model(after).spec == opened.spec
    assert_same(loaded(open_model(paths[-1])), loaded(opened))


def name_of(entry):
    """The name of the model, without its options; LWE is what WE has by default."""
    name = re.sub(r"^(?:we_lwe|kw\w+x)_", lambda m: f"{m[0][:2]}_", entry.partition("/")[0])
    return re.sub(r"_(\d)\.(\d)$", r"_\g<1>\g<2>0", name)
