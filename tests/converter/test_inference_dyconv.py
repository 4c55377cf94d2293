"""DyConv layers tell of their options by the shapes of their arrays."""

from __future__ import annotations

import pytest

from odconv_spec import DyConvSpec, model_spec
from parity_tests.reference import random_arrays
from tests.converter.helpers import SMALL_RESNET, arrays_of
from tests.converter.wild import assert_same, loaded, write
from weights_converter import convert
from weights_converter.identify.open_model import open_model

DYCONVS = [
    DyConvSpec(in_channels=8, out_channels=6, kernel_size=3, rank=1, bias=True),
    DyConvSpec(in_channels=8, out_channels=6, kernel_size=(3, 5), hidden_rule="plus_one"),
    DyConvSpec(in_channels=3, out_channels=6, kernel_size=3, hidden_rule="plus_one", kernel_num=5),
    DyConvSpec(in_channels=8, out_channels=6, kernel_size=3, groups=2, fc1_bias=True),
    DyConvSpec(in_channels=8, out_channels=6, kernel_size=3, rank=3, fc2_bias=False, bias=True),
]


@pytest.mark.parametrize("spec", DYCONVS, ids=lambda spec: f"{spec.rank}d")
def test_a_lone_dyconv_tells_its_widths_and_biases(tmp_path, spec):
    arrays = random_arrays(spec.parameters(), 0, "float32")
    weights = open_model(write(tmp_path / "x.pth", arrays))
    assert weights.spec.name == f"DyConv{spec.rank}d"
    assert weights.spec.parameters() == spec.parameters()
    assert_same(loaded(weights), arrays)
    convert(tmp_path / "x.pth", tmp_path / "y.weights.h5")
    assert_same(loaded(open_model(tmp_path / "y.weights.h5")), arrays)


def test_a_network_of_the_circulating_dyconv(tmp_path):
    spec = model_spec("dy_resnet18", hidden_rule="plus_one", **SMALL_RESNET)
    weights = open_model(write(tmp_path / "x.pth", arrays_of(spec)))
    assert weights.spec.conv.kind == "dy"
    assert weights.spec.parameters() == spec.parameters()
