"""Arrays below a prefix alone, in everything that opens a checkpoint."""

from __future__ import annotations

import numpy as np
import pytest

from odconv.main import main
from odconv_spec import model_spec
from tests.converter.helpers import SMALL_RESNET, arrays_of, save
from tests.converter.wild import assert_same, loaded, write
from weights_converter import MismatchError, UsageError, convert, diff, inspect, verify
from weights_converter.conversion.provenance import Provenance
from weights_converter.identify.open_model import open_checkpoint, open_model
from weights_converter.identify.request import Request

SPEC = model_spec("od_resnet18", kernel_num=2, **SMALL_RESNET)
TEACHER = model_spec("resnet18", **SMALL_RESNET)


@pytest.fixture
def source(tmp_path):
    """A distillation: two networks, and one array whose name starts as one of theirs."""
    student = {f"student.{name}": array for name, array in arrays_of(SPEC).items()}
    teacher = {f"teacher.{name}": array for name, array in arrays_of(TEACHER, seed=1).items()}
    return write(tmp_path / "a.pth", {**teacher, **student, "students": np.ones(3, np.float32)})


@pytest.mark.parametrize("prefix", ["student", "student."])
def test_each_network_of_a_file(source, tmp_path, prefix):
    with pytest.raises(MismatchError):
        open_model(source)
    report = convert(Request(source, prefix=prefix), tmp_path / "b.safetensors")
    assert_same(loaded(open_model(tmp_path / "b.safetensors")), arrays_of(SPEC))
    assert_same(loaded(open_model(Request(source, prefix="teacher"))), arrays_of(TEACHER, seed=1))
    others = [f"teacher.{name}" for name in arrays_of(TEACHER)] + ["students"]
    assert [remark.name for remark in report.dropped] == others
    assert {remark.reason for remark in report.dropped} == {f"left out by --prefix {prefix}"}
    assert f"and {len(others) - 8} more" in report.notes[0]
    told = Provenance.told_by(open_model(tmp_path / "b.safetensors").source)
    assert told is not None and list(told.dropped) == others


def test_every_command(source, tmp_path, capsys):
    plain, prefix = save(tmp_path / "p.pth", SPEC, arrays_of(SPEC)), ["--prefix", "student"]
    target = tmp_path / "b.weights.h5"
    assert main(["inspect", str(source), *prefix]) == 0
    assert "model   od_resnet" in capsys.readouterr().out
    assert main(["convert", str(source), str(target), *prefix]) == 0
    for pair in ([source, plain], [plain, source], [source, source], [target, source]):
        for command in ("verify", "diff"):
            assert main([command, *map(str, pair), *prefix]) == 0, (command, pair)


def test_every_function(source, tmp_path):
    plain, asked = (
        save(tmp_path / "p.pth", SPEC, arrays_of(SPEC)),
        Request(source, prefix="student"),
    )
    assert inspect(asked).spec == SPEC
    assert verify(asked, plain).equal and not diff(plain, asked).different
    with pytest.raises(UsageError, match=r"no array of p\.pth is below it"):
        verify(source, Request(plain, prefix="student"))


def test_a_prefix_that_is_none(source, tmp_path, capsys):
    for prefix in ("studen", "student.conv1.weight", "tudent", ""):
        assert main(["inspect", str(source), "--prefix", prefix]) == 2
        error = capsys.readouterr().err
        assert "no array of a.pth is below it" in error
        count = len(arrays_of(SPEC))
        assert f"student ({count} arrays)" in error and "teacher (" in error
    with pytest.raises(UsageError):
        verify(Request(source, prefix="pupil"), Request(source, prefix="pupil"))


def test_of_keras_names_and_beside_ignore(tmp_path):
    arrays = {f"layers/student/{name}": np.full(2, n, np.float32) for n, name in enumerate("abc")}
    path = write(tmp_path / "x.pth", {**arrays, "layers/other": np.zeros(1, np.float32)})
    found = open_checkpoint(Request(path, prefix="layers/student/", ignore="*/b"))
    assert {name: tensor.load().tolist() for name, tensor in found.tensors.items()} == {
        "a": [0, 0],
        "c": [2, 2],
    }
    assert found.left_out == {
        "layers/student/b": "left out by --ignore */b",
        "layers/other": "left out by --prefix layers/student/",
    }
