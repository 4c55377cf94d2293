"""Arrays out of and into live models: the same tests for every framework.

A suite imports the tests and gives the fixture `build`, which makes a live layer or model of a
spec.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from odconv_spec import ODConvSpec, model_spec
from parity_tests.reference import random_arrays
from weights_converter import MismatchError, assign, extract, formats, load_into
from weights_converter.arrays.tensor import Tensor
from weights_converter.identify.open_model import open_model
from weights_converter.identify.request import Request
from weights_converter.names.layouts import LAYOUTS

EXAMPLES = Path(__file__).parent.parent / "examples"
SPECS = {
    "layer": ODConvSpec(in_channels=6, out_channels=6, kernel_size=3, bias=True),
    "od_resnet18": model_spec(
        "od_resnet18", kernel_num=2, stages=[[8, 1], [12, 1]], stem_channels=8, num_classes=8
    ),
    "od_mobilenetv2": model_spec("od_mobilenetv2_050", stages=[[1, 16, 1, 1], [3, 24, 2, 2]]),
    "resnet50": model_spec("resnet50", stages=[[8, 1], [12, 1]], stem_channels=8),
}
DIGITS = model_spec(
    "od_mobilenetv2_100",
    kernel_num=4,
    num_classes=10,
    stages=[[1, 32, 1, 1], [4, 48, 1, 2], [4, 64, 1, 2]],
)


@pytest.mark.parametrize("name", SPECS)
def test_assigned_arrays_come_back_bit_for_bit(build, name):
    spec = SPECS[name]
    model = build(spec)
    arrays = random_arrays(spec.parameters(), 0, "float32")
    assign(model, arrays)
    found = extract(model)
    assert sorted(found) == sorted(p.name for p in spec.parameters())
    for key, array in arrays.items():
        assert found[key].tobytes() == array.tobytes()
        assert found[key].shape == array.shape


def test_everything_wrong_is_reported_together_and_nothing_is_assigned(build):
    spec = SPECS["od_resnet18"]
    model = build(spec)
    before = extract(model)
    arrays = random_arrays(spec.parameters(), 0, "float32")
    del arrays["bn1.weight"]
    arrays["bn1.wieght"] = np.zeros(8, np.float32)
    arrays["fc.weight"] = arrays["fc.weight"][:, :5]
    arrays["fc.bias"] = arrays["fc.bias"].astype(np.float64)
    with pytest.raises(MismatchError) as error:
        assign(model, arrays)
    message = str(error.value)
    assert "1 missing, 1 unexpected, 1 of wrong shape, 1 of wrong dtype in the arrays" in message
    assert "missing     bn1.weight  expected (8,) float32" in message
    assert "unexpected  bn1.wieght  (8,) float32   did you mean 'bn1.weight'?" in message
    assert "shape       fc.weight  expected (8, 12), found (8, 5)" in message
    assert "dtype       fc.bias  expected float32, found float64" in message
    after = extract(model)
    assert all(after[key].tobytes() == before[key].tobytes() for key in before)


def test_the_shipped_checkpoint_loads_into_a_live_model(build):
    model = build(DIGITS)
    path = EXAMPLES / "odconv4x_mobilenetv2_digits.pth.tar"
    load_into(model, path)
    tensors = open_model(Request(path, DIGITS)).tensors
    for key, array in extract(model).items():
        assert array.tobytes() == tensors[key].load().tobytes()


def test_a_checkpoint_of_another_model_changes_nothing(build):
    model = build(SPECS["od_resnet18"])
    before = extract(model)
    with pytest.raises(MismatchError, match=r"missing.*unexpected.* in odconv4x_mobilenetv2"):
        load_into(model, EXAMPLES / "odconv4x_mobilenetv2_digits.pth.tar")
    after = extract(model)
    assert all(after[key].tobytes() == before[key].tobytes() for key in before)


@pytest.mark.parametrize("ending", [".pth", ".pdparams", ".weights.h5", ".safetensors"])
def test_a_lone_layer_loads_from_every_format(build, tmp_path, ending):
    spec = SPECS["layer"]
    arrays = random_arrays(spec.parameters(), 1, "float32")
    path = tmp_path / f"layer{ending}"
    layout = LAYOUTS[{".pdparams": "paddle", ".weights.h5": "keras"}.get(ending, "torch")]
    tensors = [
        Tensor.of(layout.stored_name(p), layout.to_stored(p.role, arrays[p.name]))
        for p in spec.parameters()
    ]
    formats.write(path, formats.format_of(path), tensors, {})
    layer = build(spec)
    load_into(layer, path)
    assert all(a.tobytes() == arrays[key].tobytes() for key, a in extract(layer).items())
