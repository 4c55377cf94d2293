"""What an exported file tells of itself, and who reads it."""

from __future__ import annotations

import json
import sys

import onnx
import pytest

import odconv
from odconv.exporting.metadata import digest_of
from odconv.runtimes import open_exported
from odconv_spec import from_json
from odconv_spec.version import __version__
from tests.converter.helpers import arrays_of, save
from tests.processes import run_process
from weights_converter import inspect
from weights_converter.arrays.digests import digest
from weights_converter.errors import ConverterError, DamagedError, RefusedError

NAMES = ["ant", "bee", "cat", "dog", "elk"]


def test_the_metadata_of_onnx(portable, spec, arrays):
    found = {entry.key: entry.value for entry in onnx.load(portable).metadata_props}
    assert found["odconv.version"] == __version__
    assert from_json(found["odconv.spec"]) == spec
    assert found["odconv.digest"] == digest_of({n: digest(a) for n, a in arrays.items()})
    assert float(found["odconv.temperature"]) == 1.0
    assert found["odconv.form"] == "portable"
    assert json.loads(found["odconv.input"]) == {
        "layout": "NCHW",
        "channels": 3,
        "size": [32, 48],
        "mean": [0.1, 0.2, 0.3],
        "std": [0.5, 0.5, 0.5],
    }
    assert json.loads(found["odconv.class_names"]) == NAMES


def test_the_file_tells_nothing_of_the_machine(portable):
    raw = portable.read_bytes()
    assert b".py" not in raw and b"site-packages" not in raw and b"stack_trace" not in raw


def test_axes_and_outputs_have_names(portable):
    graph = onnx.load(portable).graph
    (images,), (output,) = graph.input, graph.output
    axes = [d.dim_param or d.dim_value for d in images.type.tensor_type.shape.dim]
    assert (images.name, axes, output.name) == ("images", ["batch", 3, 32, 48], "output")


@pytest.mark.parametrize(
    ("words", "shape"),
    [
        (("--size", "32x48"), (None, 3, 32, 48)),
        (("--size", 32, "--batch", 3), (3, 3, 32, 32)),
        (("--size", 32, "--batch", 3, "--dynamic-size"), (3, 3, None, None)),
        (("--size", 32, "--dynamic-size"), (None, 3, None, None)),
    ],
    ids=["size", "both", "batch", "none"],
)
@pytest.mark.parametrize("ending", ["onnx", "xml"])
def test_what_is_fixed_is_fixed_in_the_file(ending, words, shape, checkpoint, tmp_path, run):
    assert run("export", checkpoint, tmp_path / f"a.{ending}", *words, "--quiet") == 0
    network = open_exported(tmp_path / f"a.{ending}")
    assert network.shape == shape
    network.close()


@pytest.mark.parametrize("ending", ["xml", "pt2", "torchscript"])
def test_every_format_tells_the_same(ending, exported):
    network = open_exported(exported(ending))
    wanted = {entry.key: entry.value for entry in onnx.load(exported("onnx")).metadata_props}
    assert wanted.keys() >= {"odconv.spec", "odconv.digest", "odconv.job", "odconv.class_names"}
    assert {name: network.metadata[name] for name in wanted} == wanted
    network.close()


def test_inspect_reads_onnx_without_its_packages(portable):
    code = (
        "import sys; from odconv.main import main; "
        f"assert main(['inspect', {str(portable)!r}, '--json']) == 0; "
        "assert not {'onnx', 'onnxruntime', 'torch'} & set(sys.modules)"
    )
    run = run_process([sys.executable, "-c", code])
    found = json.loads(run.stdout)
    assert found["format"] == "onnx" and found["class_names"] == NAMES and found["arrays"] == {}
    assert found["spec"]["family"] == "resnet" and found["metadata"]["odconv.form"] == "portable"
    assert found["scalars"] == {"producer": "pytorch", "opset": "18"}


def test_inspect_says_so_in_words(portable):
    text = str(inspect(portable))
    assert "format  onnx" in text and "form  portable" in text and "classes 5: ant, bee" in text
    assert "arrays" not in text


def test_onnx_of_another_tool(tmp_path):
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([], "g", [], [])), tmp_path / "a.onnx")
    assert inspect(tmp_path / "a.onnx").reason == "another tool has exported it"


def test_an_exported_network_is_no_checkpoint(portable, tmp_path, run, capsys):
    for words in (("convert", portable, tmp_path / "a.pth"), ("diff", portable, portable)):
        assert run(*words) == 3
        assert (
            "model.onnx is an exported network (onnx), not a checkpoint" in capsys.readouterr().err
        )
    with pytest.raises(RefusedError, match="exported network"):
        from odconv_torch import create_model
        from weights_converter import load_into

        load_into(create_model("od_resnet18"), portable)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", [4, 20, 1000, -1])
def test_a_file_that_is_cut_off(place, portable, tmp_path):
    (tmp_path / "a.onnx").write_bytes(portable.read_bytes()[:place])
    with pytest.raises(DamagedError):
        inspect(tmp_path / "a.onnx")


@pytest.mark.parametrize(
    "tail",
    [
        b"\x72\xff\xff\xff\xff\xff\xff\xff\xff\x7f",  # metadata of most of the numbers there are
        b"\x72\x03\x0a\x01\xff",  # a key that is no text
        b"\x72\x02\x0a\x7f",  # one that ends behind its message
        b"\x70\x05",  # a number where metadata should be
        b"\x73\x00",  # a group
        b"\xff" * 12,
    ],
    ids=range(6),
)
def test_hostile_fields(tail, tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"\x08\x09\x12\x01a" + tail)
    with pytest.raises(ConverterError):
        inspect(tmp_path / "a.onnx")


def test_metadata_are_charged_before_they_are_built(tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"\x08\x09\x12\x01a" + b"\x72\x00" * (1 << 15))
    with pytest.raises(RefusedError, match="describes more objects"):
        inspect(tmp_path / "a.onnx")


def test_verify_by_digest_and_by_outputs(checkpoint, portable, spec, tmp_path, told):
    found = told("verify", checkpoint, portable)
    assert found["equal"] and found["same_arrays"] and found["difference"] <= 1e-6
    other = save(tmp_path / "other.pth", spec, arrays_of(spec, seed=1))
    found = told("verify", other, portable, code=1)
    assert (found["equal"], found["same_arrays"]) == (False, False)
    assert found["difference"] > 1e-3


def test_verify_takes_the_same_arrays_of_another_format(spec, arrays, portable, tmp_path, told):
    source = save(tmp_path / "a.weights.h5", spec, arrays, ".weights.h5")
    found = told("verify", source, portable)
    assert found["equal"] and found["same_arrays"]


def test_verify_needs_a_file_of_ours(checkpoint, tmp_path, run, capsys):
    x = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 3, 8, 8])
    y = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 3, 8, 8])
    node = onnx.helper.make_node("Relu", ["x"], ["y"])
    model = onnx.helper.make_model(
        onnx.helper.make_graph([node], "g", [x], [y]),
        opset_imports=[onnx.helper.make_opsetid("", 18)],
        ir_version=10,
    )
    onnx.save(model, tmp_path / "a.onnx")
    assert run("verify", checkpoint, tmp_path / "a.onnx") == 2
    assert "does not tell how it was made" in capsys.readouterr().err


def test_what_a_folder_of_the_hub_tells(tmp_path):
    from odconv_torch import create_model

    model = create_model("od_resnet18", stages=[[8, 1]], stem_channels=8, num_classes=2)
    told = {"image_size": (32, 48), "mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.4)}
    model.save_pretrained(tmp_path / "hub", class_names=("ant", "bee"), **told)
    found = odconv.export(tmp_path / "hub", tmp_path / "a.torchscript").job
    assert (found.size, found.mean, found.std, found.labels) == (
        *(told[name] for name in ("image_size", "mean", "std")),
        ("ant", "bee"),
    )
    other = odconv.export(tmp_path / "hub", tmp_path / "b.torchscript", size=32, mean=0.1, std=1)
    assert (other.job.size, other.job.mean, other.job.std) == ((32, 32), (0.1,) * 3, (1.0,) * 3)
