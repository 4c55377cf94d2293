"""Outputs of layers compared: distances, the first layer that diverges, table and JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from odconv_spec import ODConvSpec, model_spec
from parity_tests.outputs import verify
from parity_tests.outputs.comparison import compare_layers
from parity_tests.outputs.names import record
from parity_tests.outputs.runs import usual_runtime
from parity_tests.outputs.verify import verify_outputs
from parity_tests.runtimes import RUNTIMES
from tests.converter.helpers import SMALL_RESNET, arrays_of, save
from tests.converter.wild import write
from weights_converter import MismatchError, UsageError
from weights_converter.identify.request import Request

LABELS = ("a.pth in torch", "b.pdparams in paddle")


def compared(reference, other, tolerance=1e-4):
    return compare_layers(reference, other, "od_resnet18", LABELS, tolerance)


def layers():
    rng = np.random.default_rng(0)
    shapes = {"conv1": (2, 3, 4, 5), "bn1": (2, 3, 4, 5), "fc": (2, 7), "(output)": (2, 7)}
    return {name: rng.standard_normal(shape, np.float32) for name, shape in shapes.items()}


def test_equal_outputs():
    found = compared(layers(), layers(), tolerance=0)
    assert found.equal and found.diverging is None
    assert [row.layer for row in found.layers] == ["conv1", "bn1", "fc", "(output)"]
    assert all((row.absolute, row.relative, row.ulp) == (0, 0, 0) for row in found.layers)


def test_the_distances():
    reference = {"a": np.array([[1, -4], [2, 0]], np.float32)}
    other = {"a": np.array([[1 + 2**-22, -4 + 2**-21], [2, 0]], np.float32)}
    row = compared(reference, other).layers[0]
    assert row.absolute == 2**-21
    assert row.relative == 2**-23  # of 4, the reference's largest
    assert row.ulp == 2  # from 1, and also from -4, whose lower neighbours are 2**-22 away


def test_ulp_across_zero_and_binades():
    tiny = np.float32(2**-149)
    reference, other = np.float32([tiny, 0.0]), np.float32([-tiny, -0.0])
    row = compared({"a": reference}, {"a": other}).layers[0]
    assert row.ulp == 2


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_what_is_no_number_diverges(wrong):
    other = layers()
    other["bn1"][0, 0, 0, 0] = wrong
    found = compared(layers(), other)
    assert found.diverging.layer == "bn1"
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["layers"][1]["absolute"] is None
    assert compared(other, layers()).diverging.layer == "bn1"
    assert compared(other, other).equal  # the same NaN on both sides


def test_the_first_layer_beyond_the_tolerance():
    other = layers()
    other["conv1"] += np.float32(1e-6)
    other["bn1"] *= np.float32(1.01)
    other["fc"] *= np.float32(2)
    found = compared(layers(), other)
    assert found.diverging.layer == "bn1"
    assert found.diverging.relative == pytest.approx(0.01, rel=1e-3)
    assert compared(layers(), other, tolerance=0.02).diverging.layer == "fc"
    assert compared(layers(), other, tolerance=2).equal


def test_layers_that_only_one_of_them_has():
    other = layers() | {"relu": np.zeros(3, np.float32)}
    del other["fc"]
    found = compared(layers(), other)
    assert found.missing == ("fc", "relu")
    assert [row.layer for row in found.layers] == ["conv1", "bn1", "(output)"]


def test_outputs_of_other_shapes():
    with pytest.raises(MismatchError) as error:
        compared(layers(), layers() | {"fc": np.zeros((7, 2), np.float32)})
    assert str(error.value) == "fc: a.pth in torch gives (2, 7), b.pdparams in paddle gives (7, 2)"


def test_the_table():
    reference = {"conv1": np.float32([1, 2]), "layer1.0.bn1": np.float32([1, 4])}
    other = {"conv1": np.float32([1, 2]), "layer1.0.bn1": np.float32([1, 5])}
    assert str(compared(reference, other)).splitlines() == [
        "b.pdparams in paddle against a.pth in torch: od_resnet18, 2 layers",
        "  layer          absolute   relative          ulp",
        "  conv1                 0          0            0",
        "  layer1.0.bn1          1       0.25    2,097,152  <- first beyond the tolerance",
        "  outputs differ from layer1.0.bn1 on",
    ]


def test_the_verdict():
    assert compared(layers(), layers()).verdict == "outputs are equal"
    near = layers()
    near["bn1"] = np.nextafter(near["bn1"], np.float32(9))
    found = replace(compared(layers(), near), arrays="all bits equal")
    assert found.verdict == (
        "all bits equal; outputs differ by rounding: every layer agrees to 0.0001 of its largest "
        "value"
    )
    assert str(found).splitlines()[-1] == f"  {found.verdict}"
    assert json.loads(json.dumps(found.to_dict()))["verdict"] == found.verdict


def test_a_long_table_has_the_layers_that_differ_most():
    reference = {f"layer{number}": np.float32([1, 2, 3]) for number in range(60)}
    steps = {f"layer{number}": np.float32(2.0 ** -(8 + number % 30)) for number in range(60)}
    other = {name: array + steps[name] for name, array in reference.items()}
    found = compared(reference, other, tolerance=1e-3)
    lines = str(found).splitlines()
    assert len(lines) == 1 + 1 + 20 + 1 + 1
    assert [line.split()[0] for line in lines[2:22]] == [
        f"layer{number}" for number in range(60) if number % 30 < 10
    ]
    assert lines[22] == "  ... and 40 more, which differ less; --all shows them"
    assert len(found.text(rows=None).splitlines()) == 1 + 1 + 60 + 1
    late = {**reference, "layer59": reference["layer59"] * 2}
    assert "layer59" in compared(reference, late, tolerance=0.5).text(rows=1)


def test_plain_values():
    values = compared(layers(), layers() | {"fc": layers()["fc"] * np.float32(2)}).to_dict()
    assert json.loads(json.dumps(values)) == values
    assert values["reference"] == LABELS[0] and values["other"] == LABELS[1]
    assert values["first_diverging_layer"] == "fc" and values["equal"] is False
    assert values["layers"][0] == {"layer": "conv1", "absolute": 0, "relative": 0, "ulp": 0}


def test_calls_of_one_layer_are_numbered():
    found = {}
    for path in ("a", "", "a", "a"):
        record(found, path, np.zeros(1))
    assert list(found) == ["a", "(output)", "a #2", "a #3"]


def test_the_usual_runtimes():
    assert usual_runtime("torch") == "torch"
    assert usual_runtime("paddle") == "paddle"
    assert RUNTIMES[usual_runtime("keras")].framework == "keras"
    assert RUNTIMES[usual_runtime("tensorflow")].framework == "keras"


@pytest.mark.parametrize(
    ("runtimes", "text"),
    [
        (("torch",), r"one checkpoint in one runtime \(torch\) is compared with nothing"),
        (("mxnet", "torch"), "unknown runtime mxnet: expected torch, paddle, keras-tensorflow"),
    ],
)
def test_wrong_usage(tmp_path, runtimes, text):
    spec = model_spec("od_resnet18", **SMALL_RESNET)
    path = save(tmp_path / "x.pth", spec, arrays_of(spec))
    with pytest.raises(UsageError, match=text):
        verify_outputs(path, runtimes=runtimes)


def test_two_checkpoints_take_two_runtimes_at_most(tmp_path):
    spec = model_spec("od_resnet18", **SMALL_RESNET)
    path = save(tmp_path / "x.pth", spec, arrays_of(spec))
    with pytest.raises(UsageError, match="one or two runtimes, received 3"):
        verify_outputs(path, path, runtimes=("torch", "paddle", "torch"))


def test_a_network_of_ones_own_cannot_be_run(tmp_path):
    spec = ODConvSpec(in_channels=4, out_channels=6, kernel_size=3)
    path = save(tmp_path / "x.pth", spec, arrays_of(spec))
    with pytest.raises(UsageError, match=r"ODConv2d .* cannot be run"):
        verify_outputs(path, path)


def test_each_file_is_run_as_it_was_asked_for(tmp_path, monkeypatch):
    spec = model_spec("od_resnet18", **SMALL_RESNET)
    arrays, opened = arrays_of(spec), []
    first = tmp_path / "a.pth"
    second = save(tmp_path / "b.safetensors", spec, arrays, ".safetensors")

    def runs(request, runtime, probe):
        opened.append(Request.from_json(request.to_json()))  # as the other process reads it
        return layers()

    monkeypatch.setattr(verify, "layer_outputs", runs)
    monkeypatch.setattr(verify, "check_runtime", lambda runtime: None)
    counters = ["*.num_batches_tracked"]
    first = write(first, {**arrays, "bn1.num_batches_tracked": np.zeros((), np.int64)})
    left = Request(first, spec, isolate=True, ignore=counters)
    [found] = verify_outputs(left, Request(second, isolate=True))
    assert found.equal
    assert found.verdict == "all bits equal; outputs are equal"
    assert opened == [
        Request(str(first), spec, isolate=True, ignore=counters),
        Request(str(second), spec, isolate=True, ignore=[]),
    ]


def test_a_request_in_another_process():
    spec = model_spec("od_resnet18", **SMALL_RESNET)
    request = Request(Path("a\udcff.pth"), spec, None, "ema", ["a.*", "b"], isolate=None)
    assert Request.from_json(request.to_json()) == replace(request, path="a\udcff.pth")
