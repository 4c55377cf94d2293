"""The outputs of every layer of real runs, in a process for each framework."""

from __future__ import annotations

import numpy as np
import pytest

from odconv_spec import model_spec
from parity_tests.outputs.runs import layer_outputs
from parity_tests.outputs.verify import verify_outputs
from parity_tests.reference import random_arrays
from parity_tests.runtimes import RUNTIMES
from tests.quick import quick_rows
from weights_converter import ConverterError, convert, formats
from weights_converter.arrays.tensor import Tensor
from weights_converter.identify.request import Request

SPECS = {
    "od": model_spec(
        "od_resnet18", kernel_num=2, stages=[[8, 1], [12, 1]], stem_channels=8, num_classes=5
    ),
    "dy": model_spec("dy_resnet50", stages=[[4, 1], [6, 1]], stem_channels=8, num_classes=5),
    "cond": model_spec("cond_mobilenetv2_050", stages=[[1, 16, 1, 1], [3, 24, 1, 2]]),
}
SIZE = (40, 56)
QUICK = ("paddle",)  # which starts in half of the others' time


def write(path, arrays, metadata=None):
    tensors = [Tensor.of(name, array) for name, array in arrays.items()]
    formats.write(path, "torch", tensors, metadata or {})
    return path


# JAX compiles each layer's outputs, which takes most of a minute; PyTorch runs the same Keras code.
@pytest.mark.parametrize(
    ("runtime", "name"),
    quick_rows(
        [("keras-torch", "cond")],  # the next test has the layers of Paddle
        zip(
            (name for name in RUNTIMES if name != "torch"), ("dy", "od", "dy", "cond"), strict=True
        ),
    ),
)
def test_every_layer_agrees_with_torch(tmp_path, runtime, name):
    spec = SPECS[name]
    path = write(tmp_path / "x.pth", random_arrays(spec.parameters(), 0, "float32"))
    [found] = verify_outputs(Request(path, spec), runtimes=("torch", runtime), size=SIZE)
    assert found.equal, str(found)
    layers = {row.layer for row in found.layers}
    convs = {p.name.removesuffix(".weight") for p in spec.parameters() if len(p.shape) > 3}
    assert convs <= layers | {"classifier.1"}
    assert "(output)" in layers
    assert 0 < max(row.relative for row in found.layers) < 2e-5


def test_the_first_layer_whose_arrays_differ_is_named(tmp_path):
    spec = SPECS["od"]
    arrays = random_arrays(spec.parameters(), 0, "float32")
    left = write(tmp_path / "a.pth", arrays)
    changed = dict(arrays)
    changed["layer2.0.bn1.running_var"] = arrays["layer2.0.bn1.running_var"] * np.float32(1.1)
    convert(Request(write(tmp_path / "b.pth", changed), spec), tmp_path / "b.pdparams")
    [found] = verify_outputs(Request(left, spec), tmp_path / "b.pdparams", size=SIZE)
    assert (found.reference, found.other) == ("a.pth in torch", "b.pdparams in paddle")
    assert found.diverging.layer == "layer2.0.bn1"
    assert not found.equal


def test_the_temperature_of_each_file_counts(tmp_path):
    spec = SPECS["od"]
    arrays = random_arrays(spec.parameters(), 0, "float32")
    cold = write(tmp_path / "cold.pth", arrays)
    warm = write(tmp_path / "warm.pth", arrays, {"odconv.temperature": "30.0"})
    [found] = verify_outputs(Request(cold, spec), warm, runtimes=QUICK, size=SIZE)
    assert found.diverging.layer == "layer1.0.conv1"  # its attention's sub-layers are the same


def test_half_precision_is_run_in_single(tmp_path):
    spec = SPECS["od"]
    arrays = random_arrays(spec.parameters(), 0, "float16")
    half = write(tmp_path / "half.pth", arrays)
    full = write(tmp_path / "full.pth", {n: a.astype(np.float32) for n, a in arrays.items()})
    [found] = verify_outputs(Request(half, spec), full, runtimes=QUICK, size=SIZE, tolerance=0)
    assert found.equal


def test_a_run_that_fails_tells_why(tmp_path):
    spec = SPECS["od"]
    with pytest.raises(ConverterError, match=r"(?s)paddle stopped with exit code 1.*nothing\.pth"):
        layer_outputs(
            Request(tmp_path / "nothing.pth", spec), "paddle", np.zeros((1, 3, 40, 56), np.float32)
        )
