"""The names of the classes: through conversions of every format, and what is no list of names."""

from __future__ import annotations

import json

import pytest

from odconv.main import main
from odconv_spec import model_spec, to_json
from tests.converter.helpers import ENDINGS, SMALL_RESNET, arrays_of, save
from weights_converter import DamagedError, convert, inspect
from weights_converter.identify.class_names import class_names_of, to_text
from weights_converter.identify.open_model import open_checkpoint

SPEC = model_spec("od_resnet18", **SMALL_RESNET)
NAMES = ("ant", "bee", "Käfer", 'a "cat"', "line\nend")


def saved(tmp_path, text, ending=".pth"):
    metadata = {"odconv.spec": to_json(SPEC), "odconv.class_names": text}
    return save(tmp_path / f"a{ending}", SPEC, arrays_of(SPEC), ending, metadata)


@pytest.mark.parametrize("ending", [*ENDINGS, ".npz"])
def test_every_format_carries_them(tmp_path, ending):
    path = tmp_path / f"b{ending}"
    report = convert(saved(tmp_path, to_text(NAMES)), path)
    assert class_names_of(open_checkpoint(path)) == NAMES
    convert(path, tmp_path / "c.npz")
    assert class_names_of(open_checkpoint(tmp_path / "c.npz")) == NAMES
    beside = [note for note in report.notes if "names of its classes: the sidecar" in note]
    assert len(beside) == (ending == ".pdparams")


@pytest.mark.parametrize("ending", [".safetensors", ".weights.h5"])
def test_sets_of_files_carry_them(tmp_path, ending):
    report = convert(saved(tmp_path, to_text(NAMES)), tmp_path / f"b{ending}", max_shard_bytes=9999)
    assert class_names_of(open_checkpoint(report.destination)) == NAMES


def test_inspect_lists_them(tmp_path, capsys):
    path = saved(tmp_path, to_text(NAMES))
    assert "  classes 5: ant, bee, Käfer, a \"cat\", 'line\\nend'\n" in f"{inspect(path)}\n"
    assert main(["inspect", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["class_names"] == list(NAMES)


def test_without_names_nothing_is_written(tmp_path):
    path = save(tmp_path / "a.pth", SPEC, arrays_of(SPEC))
    convert(path, tmp_path / "b.npz")
    found = inspect(tmp_path / "b.npz")
    assert found.class_names == ()
    assert "odconv.class_names" not in found.checkpoint.metadata
    assert "classes " not in str(found).replace("5 classes)", "")


@pytest.mark.parametrize("text", ["", "cat,dog", '{"cat": 0}', "[1, 2]", "[" * 2000, '"cat"'])
def test_what_are_no_names(tmp_path, text):
    with pytest.raises(DamagedError, match=r"a\.pth.* class names"):
        convert(saved(tmp_path, text), tmp_path / "b.npz")
