"""`odconv diff`: which arrays differ, and by how much."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from odconv.main import main
from odconv_spec import model_spec
from tests.converter.helpers import SMALL_RESNET, arrays_of, save
from tests.converter.wild import write
from weights_converter import UsageError, convert, formats
from weights_converter.arrays.distance import Distance, differs_by_rounding, distance
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
    assert lines[1] == "  1 differ, by at most 0.25 (layer1.0.conv2.weight)"
    assert lines[3].split()[:2] == ["layer1.0.conv2.weight", "0.25"]
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
    distances = {"unequal", "max_abs", "max_rel", "max_ulp", "rounding"}
    assert set(entry) == {"name", "left", "right", *distances}
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


FINE_TUNED = model_spec("od_resnet18", kernel_num=2, **SMALL_RESNET | {"num_classes": 3})


def fine_tuned(tmp_path, ending, wrapper=""):
    """A child of `arrays_of(SPEC)`: another head, all else a little or far away."""
    arrays, parent = arrays_of(FINE_TUNED, seed=1), arrays_of(SPEC)
    for number, name in enumerate(list(arrays)):
        if not name.startswith("fc."):
            step = np.float32(number % 2)
            arrays[name] = np.nextafter(parent[name], np.float32(np.inf)) + step
    named = {f"{wrapper}{name}": array for name, array in arrays.items()}
    if wrapper:
        return write(tmp_path / f"b{ending}", named)
    return save(tmp_path / f"b{ending}", FINE_TUNED, arrays, ending)


@pytest.mark.parametrize(
    ("ending", "wrapper"),
    [(".pth", ""), (".pth", "model."), (".weights.h5", ""), (".pdparams", "")],
)
def test_a_fine_tuned_child(tmp_path, ending, wrapper):
    parent = save(tmp_path / "a.pth", SPEC, arrays_of(SPEC))
    found = diff(parent, fine_tuned(tmp_path, ending, wrapper))
    assert found.by == "canonical names"
    assert [change.name for change in found.changes] == [p.name for p in SPEC.parameters()]
    shared = len(found.changes) - 2
    lines = str(found).splitlines()
    assert lines[0].endswith(f"by canonical names: 0 of {shared + 2} arrays have equal bits")
    assert lines[1] == f"  {(shared + 1) // 2} differ by rounding alone"
    assert lines[2].startswith(f"  {shared // 2} differ, by at most 1 (")
    assert lines[3] == "  2 have other shapes"
    assert [line.split()[0] for line in lines[5:7]] == ["fc.weight", "fc.bias"]
    assert "(5, 12) F32 | (3, 12) F32" in lines[5]
    assert lines[-1] == f"  ... and {shared + 2 - 20} more that differ; --all shows them"
    assert len(lines) == 1 + 3 + 1 + 20 + 1
    assert len(found.text(rows=None).splitlines()) == 1 + 3 + 1 + shared + 2


def test_all_is_shown_where_it_is_asked_for(tmp_path, capsys):
    files = [save(tmp_path / f"{n}.pth", SPEC, arrays_of(SPEC, seed=n)) for n in (1, 2)]
    for command in ("diff", "verify"):
        words = [command, *map(str, files)]
        assert main([*words, "--quiet", "--all"]) == 1 and not capsys.readouterr().out
        assert main([*words, "--json", "--all"]) == 1 and json.loads(capsys.readouterr().out)
        assert main(words) == 1 and "--all shows them" in capsys.readouterr().out
        assert main([*words, "--all"]) == 1
        assert len(capsys.readouterr().out.splitlines()) > len(SPEC.parameters())


@pytest.mark.parametrize("tag", ["F16", "BF16", "F64"])
def test_a_cast_is_rounding(tmp_path, tag):
    arrays = arrays_of(SPEC)
    source = save(tmp_path / "a.pth", SPEC, arrays)
    options = {"F16": "float16", "BF16": "bfloat16", "F64": "float64"}
    convert(source, tmp_path / "b.pth", dtype=options[tag], allow_half_statistics=True)
    for files in ((source, tmp_path / "b.pth"), (tmp_path / "b.pth", source)):
        found = diff(*files)
        assert all(change.rounding for change in found.changes)
        assert str(found).splitlines()[1] == f"  {len(arrays)} differ by rounding alone"
    name = "layer1.0.conv2.weight"
    arrays[name].reshape(-1)[3] *= np.float32(1.01)
    found = diff(save(tmp_path / "c.pth", SPEC, arrays), tmp_path / "b.pth")
    assert [change.name for change in found.changes if not change.rounding] == [name]


def test_rounding_of_one_dtype_is_one_step():
    one = np.array([1.0, 0.0, -3.0], "f4")
    for steps, expected in ((0, False), (1, True), (2, False)):
        other = one.copy()
        for _ in range(steps):
            other[2] = np.nextafter(other[2], np.float32(0))
        found = apart(one, other)
        assert differs_by_rounding(one, "F32", other, "F32", found) is expected
    count = np.array([1, 2])
    assert not differs_by_rounding(count, "I64", count + 1, "I64", apart(count, count + 1, "I64"))
