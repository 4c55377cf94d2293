"""MegEngine's shapes: biases and norms with axes of a map, groups with an axis of their own."""

from __future__ import annotations

import numpy as np
import pytest

from odconv_spec import ConvChoice, ShuffleNetV2Spec
from parity_tests.reference import random_arrays
from weights_converter import formats
from weights_converter.arrays.tensor import Tensor
from weights_converter.identify.open_model import open_model
from weights_converter.identify.request import Request

FEW = {"stages": ((16, 2), (20, 1)), "stem_channels": 8, "num_classes": 5}
SPEC = ShuffleNetV2Spec(conv=ConvChoice.of("weightnet"), conv_bias=True, head_bias=True, **FEW)


def in_megengine(arrays):
    """As its `state_dict` has them: written out for each kind of array, not by our rules."""
    found = {}
    for name, array in arrays.items():
        if ".wn_fc2." in name:
            groups = len(arrays[name.replace("wn_fc2.weight", "wn_fc1.bias")])
            found[name] = array.reshape(groups, -1, 1, 1, 1)
        elif array.ndim == 1 and not name.startswith("classifier"):
            found[name] = array.reshape(1, -1, 1, 1)
        else:
            found[name] = array
    return found


@pytest.mark.parametrize("model", [None, SPEC])
def test_a_network_of_megengine(tmp_path, model):
    arrays = random_arrays(SPEC.parameters(), 0, "float32")
    tensors = [Tensor.of(name, array) for name, array in in_megengine(arrays).items()]
    formats.write(tmp_path / "x.npz", "npz", tensors, {})
    weights = open_model(Request(tmp_path / "x.npz", model))
    assert weights.spec == SPEC
    assert "its shapes are those of MegEngine" in weights.source.notes
    for name, array in arrays.items():
        np.testing.assert_array_equal(weights.tensors[name].load(), array)


def test_shapes_of_torch_are_left_alone(tmp_path):
    arrays = random_arrays(SPEC.parameters(), 0, "float32")
    tensors = [Tensor.of(name, array) for name, array in arrays.items()]
    formats.write(tmp_path / "x.npz", "npz", tensors, {})
    assert not [n for n in open_model(Request(tmp_path / "x.npz")).source.notes if "Meg" in n]
