"""What strangers write into files, names and options never steers a terminal, a page or a line."""

from __future__ import annotations

import json
import os
import pickle
import re
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from odconv.main import main
from odconv_spec import model_spec
from tests.converter.helpers import arrays_of, save
from tests.quick import quick
from weights_converter import convert, formats
from weights_converter.arrays.tensor import Tensor
from weights_converter.conversion.html_report import html_report
from weights_converter.conversion.report import Remark
from weights_converter.errors import legible, printable
from weights_converter.plain import plain

SPEC = model_spec("od_resnet18", stages=[[8, 1]], stem_channels=8, num_classes=5)
SIGNS = "\x1b[31m\x1b]0;t\x07\r\x7f\x85\x9b1m\u202eabc\u2066\u200b\u2028\ufeff<script>&'\"`"
LINES = "\nerror: INJECTED\nINJECTED"
# A name in the file system: bytes that are no UTF-8, and neither "/" nor NUL.
NAME = os.fsdecode(b"\xff\xc3(" + f"a{SIGNS}{LINES}".encode())
TEXTS = {
    "signs": f"a{SIGNS}\x00{LINES}",
    "long": f"a{SIGNS}{LINES}" + "n" * 3000,
    "printable": "ü" * 300,
}


@pytest.fixture(params=quick(["signs", "long"], TEXTS))
def text(request):
    return TEXTS[request.param]


@pytest.fixture
def printed(capsys):
    """Runs a command; what it prints must be clean, and as JSON it must parse."""

    def run(*words, codes=(0, 1, 2, 3, 4, 5), longest=1500):
        code = main([os.fsdecode(word) for word in words])
        out, err = capsys.readouterr()
        assert code in codes, err
        assert_clean(out)
        assert_clean(err)
        if "--json" not in words:
            assert max(map(len, (out + err).split("\n"))) < longest
        if "--json" in words and out:
            json.loads(out, parse_constant=pytest.fail)
            out.encode("utf-8")
        return out + err

    return run


def assert_clean(text):
    odd = {character for character in text if not character.isprintable()} - {"\n"}
    assert not odd
    begun = re.findall(r"^(?:error: )?INJECTED.*", text, re.MULTILINE)
    assert not begun


def every_command(path, folder):
    """Each command that opens a file and needs no framework, as text and as JSON."""
    yield ["inspect", path, "--arrays", "--stats"]
    yield ["inspect", path, "--json"]
    yield ["convert", path, folder / "a.npz", "--dry-run", "--dtype", "float16", "--json"]
    yield ["convert", path, folder / "a.npz", "--dry-run", "--allow-nonfinite"]
    yield ["convert", path, folder / "a.pdparams", "--ignore", "a*", "--overwrite"]
    yield ["verify", path]
    yield ["verify", path, path, "--json"]
    yield ["verify", path, "--outputs", "--runtime", "torch"]
    yield ["diff", path, path, "--json"]
    yield ["diff", path, folder / "absent.pth"]


def run_all(printed, path, folder):
    folder.mkdir(exist_ok=True)
    commands = every_command(path, folder)
    return "".join(printed(*words, "--no-isolate") for words in commands)


def test_names_of_files_and_folders(tmp_path, printed):
    folder = tmp_path / NAME
    folder.mkdir()
    path = save(folder / f"{NAME}.pth", SPEC, arrays_of(SPEC))
    run_all(printed, path, tmp_path / "out")
    for ending in ("npz", "weights.h5", "pdparams", "safetensors"):
        page = folder / f"{NAME}.{ending}.html"
        words = ["convert", path, folder / f"{NAME}.{ending}", "--report", page]
        printed(*words, codes=[0])
        assert_clean(page.read_text(encoding="utf-8").replace("\n", ""))
        printed(*words, "--json")  # it exists
        printed("inspect", folder / f"{NAME}.{ending}", codes=[0])
        printed("verify", folder / f"{NAME}.{ending}", codes=[0])
    for content in (
        b"",
        b"<html>",
        b"\x80\x02cposix\nsystem\n.",
        b"PK\x03\x04",
        b"\x89HDF\r\n\x1a\n",
    ):
        path.write_bytes(content)
        run_all(printed, path, tmp_path / "out")
    run_all(printed, folder, tmp_path / "out")
    run_all(printed, folder / f"{NAME}absent", tmp_path / "out")


def test_names_of_arrays(tmp_path, text, printed):
    """Of a model's file that has one more, or one called otherwise, and of a file of no model."""
    arrays = arrays_of(SPEC)
    tensors = [Tensor.of(name, array) for name, array in arrays.items()]
    odd = Tensor.of(text, np.array([np.nan, 2], "f4"))
    files = {
        "more": [*tensors, odd],
        "model": [*tensors, replace(odd, name=f"head.{text}"), replace(odd, name=f"num{text}")],
        "other": [*tensors[:-1], odd],
        "bias": [t.renamed(t.name.replace("layer1", text)) for t in tensors],
        "alone": [odd],
    }
    for name, content in files.items():
        state = {tensor.name: (tensor.name, tensor.load()) for tensor in content}
        path = tmp_path / f"{name}.pdparams"
        path.write_bytes(pickle.dumps(state, protocol=4))
        run_all(printed, path, tmp_path / "out")
    for ending in ("pth", "npz", "safetensors"):
        with_suppressed(tmp_path / f"x.{ending}", files["more"])
        run_all(printed, tmp_path / f"x.{ending}", tmp_path / "out")
    keys = {"a": {text: (text, np.ones(2))}, text: {"x": ("x", np.ones(2))}}
    (tmp_path / "keys.pdparams").write_bytes(pickle.dumps(keys, protocol=4))
    run_all(printed, tmp_path / "keys.pdparams", tmp_path / "out")


def with_suppressed(path, tensors):
    """Writes what the format can name."""
    try:
        formats.write(path, formats.format_of(path), tensors, {})
    except ValueError:
        formats.write(path, formats.format_of(path), tensors[:-1], {})


def test_what_is_beside_the_arrays(tmp_path, text, printed):
    state = {name: (name, array) for name, array in arrays_of(SPEC).items()}
    content = {"state_dict": state, text: 3, "arch": text, f"b{text}": text, "more": {text: [text]}}
    path = tmp_path / "x.pdparams"
    path.write_bytes(pickle.dumps(content, protocol=4))
    assert "od_resnet_custom" in run_all(printed, path, tmp_path / "out")


@pytest.mark.parametrize(
    "key",
    quick(
        ["odconv.spec", "odconv.provenance", ""],
        ["odconv.spec", "odconv.provenance", "odconv.temperature", "format", "odconv.version", ""],
    ),
)
def test_metadata(tmp_path, key, printed):
    text = TEXTS["signs"]
    told = {key or text: text}
    if key == "odconv.provenance":
        fields = ["tool", "source", "source_format", "dtype", "source_sha256", "created"]
        facts = dict.fromkeys(fields, text) | {"sha256": {text: text}, "dropped": [text]}
        told = {key: json.dumps(facts)}
    path = tmp_path / "x.safetensors"
    tensors = [Tensor.of(name, array) for name, array in arrays_of(SPEC).items()]
    formats.write(path, "safetensors", tensors, told)
    run_all(printed, path, tmp_path / "out")
    (tmp_path / "y").mkdir()
    run_all(
        printed, save(tmp_path / "y" / "y.pdparams", SPEC, arrays_of(SPEC), ".pdparams"), tmp_path
    )
    (tmp_path / "y" / "y.pdparams.manifest.json").write_text(json.dumps(told))
    run_all(printed, tmp_path / "y" / "y.pdparams", tmp_path / "out")


def test_facts_of_keras(tmp_path, text, printed):
    path = tmp_path / "x.h5"
    shown = text.replace("\x00", "")
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = file.attrs["backend"] = shown
        file.attrs["layer_names"] = [b"conv"]
        group = file.create_group("conv")
        group.attrs["weight_names"] = [b"conv/kernel:0"]
        group.create_dataset("conv/kernel:0", data=np.ones((3, 3, 2, 4), "f4"))
    run_all(printed, path, tmp_path / "out")
    path = save(tmp_path / "x.weights.h5", SPEC, arrays_of(SPEC), ".weights.h5")
    with h5py.File(path, "a") as file:
        file.attrs["odconv.spec"] = shown
        file.create_group("layers")[shown.replace("/", "")] = np.ones(3)
    run_all(printed, path, tmp_path / "out")


def test_options(tmp_path, text, printed):
    path = save(tmp_path / "a.pth", SPEC, arrays_of(SPEC))
    text = text.replace("\x00", "")
    options = ("--model", "--key", "--ignore", "--prefix", "--stages", "--runtime", "--tolerance")
    for option in (*options, "--outputs-size", text):
        printed(
            "verify", path, path, "--outputs", f"{option}={text}", longest=9000, codes=[2, 1, 5]
        )
    for option in ("--dtype", "--max-shard-size", "--report", "--model", "--key", "--ignore"):
        printed(
            "convert",
            path,
            tmp_path / "no" / "b.npz",
            f"{option}={text}",
            longest=9000,
            codes=[1, 2, 5],
        )
    printed(text, longest=9000, codes=[2])
    printed("models", text, f"--{text}", longest=9000, codes=[2])
    printed("inspect", text, longest=9000, codes=[5])
    printed("convert", path, tmp_path / text, longest=9000, codes=[2, 5])


def test_files_with_a_spec(tmp_path, text, printed):
    path = save(tmp_path / "a.pth", SPEC, arrays_of(SPEC))
    spec = SPEC.to_dict()
    parameter = {"name": "a", "role": "norm_scale", "shape": [2]}
    manifest = {"odconv.manifest": 1, "name": "Net", "arrays": [parameter]}
    cases = [
        text,
        [text],
        {text: text},
        spec | {text: text},
        *(spec | {key: text} for key in spec),
        *(spec | {"conv_options": {key: text}} for key in ("kernel_num", text)),
        *(manifest | {key: text} for key in manifest),
        *(
            manifest | {"arrays": [parameter | {key: text}]}
            for key in (*parameter, "dtype", "keras")
        ),
        *(manifest | {"arrays": [parameter | {"name": f"{text}{i}"} for i in "ab"]},),
    ]
    for number, case in enumerate(cases):
        model = tmp_path / f"{number}.json"
        model.write_text(json.dumps(case))
        printed("inspect", path, "--model", model, longest=9000)
        printed("convert", path, tmp_path / "b.npz", "--model", model, "--json", longest=9000)
        model.write_text(str(case), encoding="utf-8", errors="replace")
        printed("inspect", path, "--model", model, longest=9000)


def test_every_field_of_a_report(tmp_path, text):
    path = save(tmp_path / "a.pth", SPEC, arrays_of(SPEC))
    report = convert(path, tmp_path / "b.pdparams")
    finding = replace(report.carried[0].finding, name=text, before=text, after=text, sha256=text)
    provenance = {
        "tool": text,
        "source": text,
        "source_format": text,
        "dtype": "float16",
        "source_sha256": text,
        "created": text,
    }
    hostile = replace(
        report,
        source=Path(NAME),
        destination=Path(NAME),
        files=(Path(NAME),),
        provenance=replace(report.provenance, **provenance),
        carried=(replace(report.carried[0], stored_name=text, role=text, finding=finding),),
        dropped=(Remark(text, text),),
        defaulted=(Remark(text, text),),
    )
    page = html_report(hostile)
    assert_clean(page)
    assert "<script" not in page
    page.encode("utf-8")
    assert_clean(printable(str(hostile)))
    json.loads(json.dumps(plain(hostile.to_dict())))


def test_one_function(text):
    once = legible(text)
    assert once.isprintable() and 0 < len(once) <= 120
    assert legible(once) == once
    assert legible("layer1.0.weight") == "layer1.0.weight" and legible("") == "''"
    assert printable(text).count("\n") == text.count("\n")
    assert printable(printable(text)) == printable(text)
