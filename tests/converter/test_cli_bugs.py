"""A mistake in the package is owned up to: it is never told as the user's, whatever its class."""

from __future__ import annotations

import json

import numpy as np
import pytest

from odconv.main import main
from odconv_spec import ResNetSpec, model_spec
from tests.converter.helpers import SMALL_RESNET, arrays_of, save
from weights_converter.errors import MismatchError
from weights_converter.identify.backbones import infer_spec

SPEC = model_spec("od_resnet18", **SMALL_RESNET)
BUGS = [
    ValueError("operands could not be broadcast\ntogether"),
    TypeError("expected str"),
    KeyError("x"),
    ZeroDivisionError("division by zero"),
    UnicodeEncodeError("ascii", "\xe9", 0, 1, "ordinal not in range"),
    RecursionError("too deep"),
]


@pytest.fixture
def broken(monkeypatch, tmp_path):
    """Makes converting raise the error; the command that meets it."""

    def breaks(error):
        def convert(*arguments, **options):
            raise error

        monkeypatch.setattr("odconv.commands.convert.convert", convert)
        return ["convert", str(tmp_path / "a.pth"), str(tmp_path / "b.pth")]

    return breaks


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: type(bug).__name__)
def test_a_bug_has_a_code_and_a_line_of_its_own(broken, bug, capsys):
    assert main(broken(bug)) == 70
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1 and err.endswith("(--traceback shows where; please report it)\n")
    assert err.startswith(f"error: a bug in odconv, {type(bug).__name__}: ")


def test_the_traceback_on_request(broken, capsys):
    assert main([*broken(BUGS[0]), "--traceback"]) == 70
    err = capsys.readouterr().err
    assert err.startswith("Traceback (most recent call last):")
    assert "in convert\n" in err
    assert err.splitlines()[-1] == (
        "error: a bug in odconv, ValueError: operands could not be broadcast together "
        "(please report it)"
    )


def test_errors_of_ours_have_no_traceback(tmp_path, capsys):
    assert main(["inspect", str(tmp_path / "absent.pth"), "--traceback"]) == 5
    assert "Traceback" not in capsys.readouterr().err


def test_a_bug_of_numpy_on_the_way(tmp_path, monkeypatch, capsys):
    source = save(tmp_path / "a.pth", SPEC, arrays_of(SPEC))

    def transposed(layout, role, array):
        return np.ones(3) + np.ones(4)

    monkeypatch.setattr("weights_converter.names.layouts.Layout.to_stored", transposed)
    assert main(["convert", str(source), str(tmp_path / "b.pth")]) == 70
    assert "a bug in odconv, ValueError: operands could not" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [source]


OPTIONS = {
    "stages": (["--stages", "1,16,1"], "stages: expected rows of 4 numbers"),
    "numbers": (["--stages", "1,-16,1,1"], "expected a whole number"),
    "model": (["--model", "od_resnet19"], "unknown model 'od_resnet19'"),
    "spec": (["--model", "spec.json"], "holds no model spec: kernel_num: expected a whole number"),
    "manifest": (["--model", "net.json"], "holds no manifest"),
    "dtype": (["--max-shard-size", "1", "--dtype", "float16"], "several files"),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_options_of_the_user_stay_wrong_usage(tmp_path, monkeypatch, case, capsys):
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "a.pth", SPEC, arrays_of(SPEC))
    options = {**SPEC.to_dict()["conv_options"], "kernel_num": 0}
    spec = {**SPEC.to_dict(), "conv_options": options}
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    (tmp_path / "net.json").write_text('{"odconv.manifest": 1, "name": 3}')
    words, said = OPTIONS[case]
    assert main(["convert", "a.pth", "b.pth", *words]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("size", ["0", "-3", "x"])
def test_sizes_of_no_image(size, capsys):
    assert main(["models", f"--size={size}"]) == 2
    assert "expected a whole number from 1" in capsys.readouterr().err


def raising(error):
    def raises(*arguments, **options):
        raise error

    return raises


def test_a_mistake_of_ours_is_not_the_file_s(monkeypatch):
    shapes = {p.name: p.shape for p in SPEC.parameters()}
    for error in (ZeroDivisionError("by zero"), ValueError("invalid literal")):
        monkeypatch.setattr(ResNetSpec, "from_arrays", raising(error))
        with pytest.raises(type(error)) as told:
            infer_spec(shapes)
        assert told.value is error


def test_an_impossible_model_is_the_file_s_matter(monkeypatch):
    shapes = {p.name: p.shape for p in SPEC.parameters()}
    monkeypatch.setattr(ResNetSpec, "__post_init__", raising(ValueError("stages: too many")))
    with pytest.raises(MismatchError, match="the arrays are of no possible model: stages: too"):
        infer_spec(shapes)
