"""`odconv diff`: which arrays differ, and by how much."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from odconv.main import main
from odconv_spec import model_spec
from tests.converter.helpers import SMALL_RESNET, arrays_of, save
from weights_converter import UsageError, formats
from weights_converter.arrays.distance import Distance, distance
from weights_converter.arrays.precision import rounded
from weights_converter.arrays.tensor import Tensor
from weights_converter.comparison.diff import diff

SPEC = model_spec("od_resnet18", kernel_num=2, **SMALL_RESNET)


def apart(a, b, first="F32", second=None):
    return distance(np.asarray(a), first, np.asarray(b), second or first)


def test_distances_of_floats():
    one = np.array([1.0, 2.0, -4.0, 0.0], "f4")
    other = one.copy()
    other[1] = np.nextafter(np.float32(2), np.float32(3))
    other[2] = -4.5
    assert apart(one, other) == Distance(4, 2, 0.5, pytest.approx(0.5 / 4.5), 1 << 20)
    assert apart(one, one) == Distance(4, 0, 0, 0, 0)
    assert apart(np.array([0.0], "f4"), np.array([-0.0], "f4")) == Distance(1, 1, 0, 0, 0)
    least = np.array([1], "u4").view("f4")
    assert apart(least, -least).ulp == 2  # across zero
    assert apart(np.array([1e308]), np.array([-1e308]), "F64").relative == 2


def test_distances_of_what_is_no_number():
    nan, inf = np.array([np.nan], "f4"), np.array([np.inf], "f4")
    payload = np.array([0x7FC00001], "u4").view("f4")
    assert apart(nan, payload) == Distance(1, 1, 0, 0, 0)
    for other in (np.array([1], "f4"), inf, -inf):
        assert apart(nan, other).absolute == math.inf
    assert apart(inf, -inf).absolute == math.inf and apart(inf, inf).unequal == 0


def test_distances_of_half_precision_integers_and_mixed_dtypes():
    a = rounded(np.array([1.0, 3.0]), "F64", "BF16")
    assert apart(a, a + np.uint16(2), "BF16").ulp == 2
    assert apart(np.array([5]), np.array([9]), "I64") == Distance(1, 1, 4, 4 / 9, None)
    assert apart(a, np.array([1.0, 3.0], "f4"), "BF16", "F32") == Distance(2, 0, 0, 0, None)
    assert apart(np.array([True]), np.array([False]), "BOOL").unequal == 1


def test_distances_of_long_and_empty_arrays():
    one = np.zeros(200_001, "f4")
    other = one.copy()
    other[[3, 70_000, 200_000]] = [1, 3, 2]
    assert (apart(one, other).unequal, apart(one, other).absolute) == (3, 3)
    assert apart(np.empty((0, 2), "f4"), np.empty((0, 2), "f4")) == Distance()


@pytest.fixture
def files(tmp_path):
    """One model in two formats, in which one array differs by 0.25."""
    arrays = arrays_of(SPEC)
    first = save(tmp_path / "a.pth", SPEC, arrays)
    arrays["layer1.0.conv2.weight"][1, 2, 3, 0, 1] += 0.25
    return first, save(tmp_path / "b.weights.h5", SPEC, arrays, ".weights.h5")


def test_across_formats_by_canonical_name(files):
    found = diff(*files)
    (change,) = found.different
    assert change.name == "layer1.0.conv2.weight" and change.distance.unequal == 1
    assert change.distance.absolute == pytest.approx(0.25, rel=1e-6)
    assert len(found.changes) == len(SPEC.parameters())
    lines = str(found).splitlines()
    assert lines[0] == (
        "a.pth and b.weights.h5, by od_resnet_custom (kernel_num=2, 5 classes): "
        f"{len(found.changes) - 1} of {len(found.changes)} arrays have equal bits"
    )
    assert lines[2].split()[:2] == ["layer1.0.conv2.weight", "0.25"]
    assert not diff(*files, atol=0.26).different and diff(*files, atol=0.24).different


def test_without_a_model_by_the_names_in_the_files(tmp_path):
    one = {"x": np.ones(3, "f4"), "y": np.ones((2, 2)), "z": np.ones(2), "same": np.ones(1)}
    two = {"x": np.ones(3, "f8"), "y": np.ones((2, 3)), "w": np.ones(2), "same": np.ones(1)}
    for name, arrays in (("a.safetensors", one), ("b.safetensors", two)):
        tensors = [Tensor.of(n, array) for n, array in arrays.items()]
        formats.write(tmp_path / name, "safetensors", tensors, {})
    found = diff(tmp_path / "a.safetensors", tmp_path / "b.safetensors")
    assert found.by == "the names in the files"
    assert [change.name for change in found.different] == ["y", "z", "x", "w"]
    assert "(2, 2) F64 | (2, 3) F64" in str(found) and "missing | (2,) F64" in str(found)
    near = diff(tmp_path / "a.safetensors", tmp_path / "b.safetensors", atol=0)
    assert [change.name for change in near.different] == ["y", "z", "w"]  # x has equal values


def test_the_command(files, capsys):
    words = ["diff", *map(str, files)]
    assert main(words) == 1
    assert "1 of 288 x" not in capsys.readouterr().out
    assert main([*words, "--atol", "0.3", "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    assert main([*words, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["different"] == 1 and told["schema"] == 1
    (entry,) = [entry for entry in told["arrays"] if entry["unequal"]]
    assert set(entry) == {"name", "left", "right", "unequal", "max_abs", "max_rel", "max_ulp"}
    assert main([*words, "--atol", "-1"]) == 2
    for wrong in (math.nan, math.inf):
        with pytest.raises(UsageError, match="tolerance"):
            diff(*files, atol=wrong)


def test_an_infinite_difference_is_valid_json(files, tmp_path, capsys):
    arrays = arrays_of(SPEC)
    arrays["fc.bias"][0] = np.nan
    other = save(tmp_path / "c.pth", SPEC, arrays)
    assert main(["diff", str(files[0]), str(other), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert [entry["max_abs"] for entry in told["arrays"] if entry["unequal"]] == ["inf"]
