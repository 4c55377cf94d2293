"""Files in half precision and in integers: as small as they should be, and as good."""

from __future__ import annotations

import re

import onnx
import pytest

from odconv.exporting.calibration import calibration_batches
from odconv.exporting.job import Job
from odconv.main import main
from odconv_training import digits
from tests.documents import ROOT
from weights_converter.errors import UsageError

DIGITS = (
    ROOT / "examples" / "odconv4x_mobilenetv2_digits.pth.tar",
    *("--model", ROOT / "examples" / "digits.json", "--size", 32),
)


def run(*words):
    return main([str(word) for word in words])


def top1(capsys, path):
    capsys.readouterr()
    assert run("evaluate", path, "--data", "digits", "--framework", "onnxruntime") == 0
    return float(re.search(r"top-1 +([\d.]+)", capsys.readouterr().out).group(1))


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    path = tmp_path_factory.mktemp("single") / "a.onnx"
    checkpoint, *options = DIGITS
    assert run("export", checkpoint, path, *options, "--form", "portable") == 0
    return path


@pytest.fixture(scope="module")
def integers(tmp_path_factory):
    path = tmp_path_factory.mktemp("integers") / "a.onnx"
    checkpoint, *options = DIGITS
    assert run("export", checkpoint, path, *options, "--int8", "--calibrate", "digits") == 0
    return path


@pytest.mark.slow
def test_integers_recognise_the_digits(capsys, single, integers):
    assert abs(top1(capsys, single) - top1(capsys, integers)) < 1
    assert integers.stat().st_size < 0.32 * single.stat().st_size


@pytest.mark.slow
def test_every_convolution_and_the_classifier_are_in_integers(integers):
    graph = onnx.load(integers).graph
    makers = {name: node for node in graph.node for name in node.output}
    convs = [node for node in graph.node if node.op_type == "Conv"]
    last = [node for node in graph.node if node.op_type in ("Gemm", "MatMul")][-1]
    for node in (*convs, last):
        assert [makers[name].op_type for name in node.input[:2]] == ["DequantizeLinear"] * 2


@pytest.mark.slow
def test_kernels_of_attentions_are_stored_as_integers(integers):
    graph = onnx.load(integers).graph
    makers = {name: node for node in graph.node for name in node.output}
    stored = {array.name: array.data_type for array in graph.initializer}
    kernels = [node.input[1] for node in graph.node if node.op_type == "Gemm"]
    kinds = [stored[makers[name].input[0]] for name in kernels]  # of what floats are made of
    assert len(kinds) > 10 and set(kinds) <= {onnx.TensorProto.INT8, onnx.TensorProto.UINT8}


@pytest.mark.slow
def test_integers_are_compared_by_their_digest_only(capsys, integers):
    checkpoint, *options = DIGITS
    assert run("verify", checkpoint, integers, *options[:2]) == 2
    assert "by its digest it was made of this one" in capsys.readouterr().err


@pytest.mark.slow
def test_half_precision_is_half_as_large_and_as_good(capsys, tmp_path, single):
    checkpoint, *options = DIGITS
    path = tmp_path / "a.onnx"
    assert run("export", checkpoint, path, *options, "--form", "portable", "--half") == 0
    assert "as in float32" in capsys.readouterr().out
    assert path.stat().st_size < 0.6 * single.stat().st_size
    assert abs(top1(capsys, single) - top1(capsys, path)) < 0.5
    assert {value.type.tensor_type.elem_type for value in onnx.load(path).graph.input} == {
        onnx.TensorProto.FLOAT
    }


def test_calibration_takes_what_images_a_folder_has(capsys, tmp_path, checkpoint):
    from PIL import Image

    images, _ = digits.test_digits()
    for number, image in enumerate(images[:6]):
        pixels = ((image.transpose(1, 2, 0) * 0.5 + 0.5) * 255).clip(0, 255).astype("uint8")
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    path = tmp_path / "a.onnx"
    words = ("export", checkpoint, path, "--size", 32, "--int8", "--calibrate", tmp_path)
    assert run(*words) == 0
    assert "of the images of the calibration" in capsys.readouterr().out
    with pytest.raises(UsageError, match="at least 7 images, one batch, received 6"):
        next(calibration_batches(str(tmp_path), Job("compact", batch=7)))
    (empty := tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"with images, found none in .*empty"):
        next(calibration_batches(str(empty), Job("compact")))
