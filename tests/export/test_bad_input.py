"""What an export refuses: one sentence each, and no file."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

import odconv
from odconv.exporting.asking import ExportOptions, Known, job_of
from odconv.exporting.targets import TARGETS
from odconv_spec import model_spec
from odconv_torch import ODConv2d, set_temperature
from tests.converter.helpers import SMALL_MOBILENET, arrays_of, save
from tests.quick import quick
from tests.training.folders import BROKEN
from weights_converter.errors import UsageError


@pytest.mark.parametrize(
    ("name", "words", "code", "sentence"),
    [
        ("a.txt", (), 2, ", received a.txt"),
        ("a.pt2", ("--format", "onnx"), 2, "ends in .onnx, as files of onnx do, received a.pt2"),
        (
            "a.onnx",
            ("--size", 50),
            2,
            "size: expected multiples of 8, the stride of the last map, received 50x50",
        ),
        ("a.onnx", ("--size", "32x36"), 2, "the last map, received 32x36"),
        ("a.onnx", ("--int8",), 2, "int8: expected images"),
        ("a.onnx", ("--calibrate", "x"), 2, "calibrate: expected --int8 beside it"),
        ("a.onnx", ("--int8", "--calibrate", "x", "--half"), 2, "expected int8 or half"),
        (
            "a.pt2",
            ("--half",),
            2,
            "half: expected a file of onnx, openvino, litert, received one of pt2",
        ),
        (
            "a.torchscript",
            ("--int8", "--calibrate", "x"),
            2,
            "int8: expected a file of onnx, received one of torchscript",
        ),
        ("a.onnx", ("--int8", "--calibrate", "x"), 2, "with images, received x: No such file"),
        ("a.onnx", ("--int8", "--calibrate", "LABELS"), 2, "labels: Not a directory"),
        (
            "a.xml",
            ("--int8", "--calibrate", "x"),
            2,
            "int8: expected a file of onnx, received one of openvino",
        ),
        ("a.pt2", ("--opset", 17), 2, "ends in .onnx, received one of pt2"),
        ("a.onnx", ("--opset", 999), 2, "opset: expected 7 to"),
        ("a.onnx", ("--features", "0,7"), 2, "features: expected a number of last maps"),
        ("a.onnx", ("--features", "--softmax"), 2, "features: maps have no classes"),
        ("a.onnx", ("--mean", "0.1,0.2"), 2, "mean: expected 1 or 3 numbers, received 2"),
        ("a.onnx", ("--std", "0"), 2, "expected finite means and positive std"),
        ("a.onnx", ("--mean-std", "graph"), 2, "does not tell how its images are normalised"),
        ("a.onnx", ("--tolerance", "-1"), 2, "tolerance: expected a number from 0"),
        (
            "a.onnx",
            ("--labels", "LABELS"),
            2,
            "labels: expected 5 names, one for each class, received 2",
        ),
        ("no/a.onnx", (), 5, "its folder does not exist"),
    ],
    ids=str,
)
def test_one_sentence_and_no_file(name, words, code, sentence, checkpoint, tmp_path, run, capsys):
    (tmp_path / "labels").write_text("ant\nbee\n", encoding="utf-8")
    words = [tmp_path / "labels" if word == "LABELS" else word for word in words]
    assert run("export", checkpoint, tmp_path / name, *words) == code
    out, err = capsys.readouterr()
    assert out == "" and sentence in err.splitlines()[0]
    assert [file.name for file in tmp_path.iterdir()] == ["labels"]


@pytest.mark.parametrize("words", [("--size", "0x3"), ("--mean", "a"), ("--features", "x")])
def test_words_that_are_no_values(words, checkpoint, tmp_path, run, capsys):
    assert run("export", checkpoint, tmp_path / "a.onnx", *words) == 2
    assert f"argument {words[0]}: expected" in capsys.readouterr().err


def test_an_existing_file_stays(checkpoint, tmp_path, run, capsys):
    (tmp_path / "a.onnx").write_text("old", encoding="utf-8")
    assert run("export", checkpoint, tmp_path / "a.onnx") == 5
    assert "a.onnx exists already" in capsys.readouterr().err
    assert (tmp_path / "a.onnx").read_text(encoding="utf-8") == "old"


def test_a_temperature_above_one_in_the_file(spec, arrays, tmp_path, run, capsys):
    source = save(tmp_path / "a.safetensors", spec, arrays, ".safetensors", _at(spec, "30.0"))
    assert run("export", source, tmp_path / "a.onnx", "--size", 32) == 2
    assert "a.safetensors has temperature 30" in capsys.readouterr().err
    assert not (tmp_path / "a.onnx").exists()


def _at(spec, temperature):
    from odconv_spec import to_json

    return {"odconv.spec": to_json(spec), "odconv.temperature": temperature}


def test_an_opset_that_lacks_an_operator(tmp_path):
    with pytest.raises(UsageError, match="opset 8 of ONNX lacks an operator"):
        odconv.export_onnx(nn.Hardswish().eval(), tmp_path / "a.onnx", (3, 8, 8), opset=8)
    assert list(tmp_path.iterdir()) == []


def test_a_model_in_training_mode(tmp_path):
    with pytest.raises(UsageError, match="expected one in inference mode"):
        odconv.export_onnx(ODConv2d(3, 4, 3), tmp_path / "a.onnx", (3, 8, 8))
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_is_still_annealed(tmp_path):
    layer = ODConv2d(3, 4, 3, kernel_num=2).eval()
    set_temperature(layer, 20.0)
    with pytest.raises(UsageError, match=r"expected layers of temperature 1, received \[20.0\]"):
        odconv.export_onnx(layer, tmp_path / "a.onnx", (3, 8, 8))
    assert list(tmp_path.iterdir()) == []


class Branching(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


def test_a_model_that_the_exporter_does_not_take(tmp_path):
    with pytest.raises(odconv.ConverterError, match="the network cannot be written as onnx"):
        odconv.export_onnx(Branching().eval(), tmp_path / "a.onnx", (3, 8, 8))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "sentence"),
    [({}, "found none in"), ({"a.txt": b"x"}, "found none in"), ({"a.png": BROKEN}, r"a\.png")],
)
def test_images_to_calibrate_by_are_looked_at_before_anything_else(content, sentence, tmp_path):
    """The network cannot be exported, which is found later."""
    (folder := tmp_path / "images").mkdir()
    for name, data in content.items():
        (folder / name).write_bytes(data)
    asked = {"int8": True, "calibrate": str(folder)}
    with pytest.raises(UsageError, match=sentence):
        odconv.export_onnx(Branching().eval(), tmp_path / "a.onnx", (3, 8, 8), **asked)


@pytest.mark.parametrize("shape", [(8, 8), (1, 3, 8, 8)])
def test_a_shape_that_is_no_image(shape, tmp_path):
    with pytest.raises(UsageError, match=r"shape: expected \(channels, height, width\)"):
        odconv.export_onnx(nn.ReLU().eval(), tmp_path / "a.onnx", shape)


def test_the_spec_of_a_layer_is_no_network(tmp_path, run, capsys):
    torch.save(ODConv2d(3, 4, 3).state_dict(), tmp_path / "layer.pth")
    assert run("export", tmp_path / "layer.pth", tmp_path / "a.onnx") == 2
    assert "which is no whole network of odconv" in capsys.readouterr().err


def test_a_target_without_a_place_for_several_outputs():
    one = _like(TARGETS[0], several=False)
    known = Known(3, 5, tuple(model_spec("od_resnet18").feature_info()))
    with pytest.raises(UsageError, match="expected a format with several outputs"):
        job_of(ExportOptions(features=True), one, known)


def test_a_batch_of_nothing():
    with pytest.raises(UsageError, match="batch: expected a number from 1, received 0"):
        job_of(ExportOptions(batch=0), TARGETS[0], Known(3))


def test_a_form_that_a_target_lacks():
    with pytest.raises(UsageError, match="form: expected one of single for onnx, received 'comp"):
        job_of(ExportOptions(form="compact"), _like(TARGETS[0], forms=("single",)), Known(3))


def _like(target, **changes):
    from dataclasses import replace

    return replace(target, **changes)


@pytest.mark.parametrize("package", quick(["onnx"], ["onnx", "onnxruntime", "torch"]))
def test_a_missing_extra(package, tmp_path):
    spec = model_spec("mobilenetv2_050", **SMALL_MOBILENET)
    source = save(tmp_path / "a.pth", spec, arrays_of(spec))
    code = (
        f"import sys; sys.modules[{package!r}] = None; from odconv.main import main; "
        f"sys.exit(main(['export', {str(source)!r}, {str(tmp_path / 'a.onnx')!r}]))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 2, run.stderr
    error, advice = run.stderr.splitlines()
    assert error == f"error: an export to onnx needs {package}, which is not installed"
    assert advice == "help: pip install 'odconv[export]'"
    assert not (tmp_path / "a.onnx").exists()
