"""`odconv attend`: the same attentions in every framework, and what is refused."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

import odconv
from odconv.main import main
from odconv_spec import model_spec, to_json
from parity_tests.reference import evaluate
from tests.converter.helpers import arrays_of, save
from tests.quick import quick
from tests.training.folders import BROKEN, write_folder
from weights_converter.identify.class_names import to_text

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
SMALL = {"stages": [[4, 1], [6, 1]], "stem_channels": 4, "num_classes": 10}
SPEC = model_spec("od_resnet18", **SMALL, kernel_num=2)
PATHS = [f"layer{stage}.0.conv{conv}" for stage in (1, 2) for conv in (1, 2)]
# Keras reads images without torchvision.
READ = ("--framework", "keras", "--image-size", "32")


def checkpoint(folder, spec=SPEC, names=()):
    metadata = {"odconv.class_names": to_text(names)} if names else {}
    path = folder / "net.npz"
    return save(path, spec, arrays_of(spec), ".npz", metadata | {"odconv.spec": to_json(spec)})


def run(*arguments):
    return main(list(map(str, arguments)))


@pytest.mark.parametrize("framework", quick(["torch"], ["torch", "paddle", "keras"]))
def test_attentions_are_those_of_the_reference(tmp_path, framework):
    found = odconv.attend(checkpoint(tmp_path), "digits", framework, count=3, batch_size=2)
    images = found.chosen.samples.images
    expected = evaluate(SPEC, arrays_of(SPEC), images)
    assert found.answers == tuple(map(str, expected.output.argmax(axis=1)))
    assert [layer.path for layer in found.layers] == PATHS
    for layer in found.layers:
        for kind, values in expected.attentions[layer.path].items():
            flat = values.reshape(3, -1)
            np.testing.assert_allclose(layer.values[kind], flat, atol=2e-5)


def test_the_page_and_the_numbers(tmp_path, capsys):
    path, page = checkpoint(tmp_path), tmp_path / "page.html"
    words = ("--images", "digits", "--count", 6, "--framework", "torch", "--layers", "layer2*")
    assert run("attend", path, *words, "--output", page, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [layer["layer"] for layer in told["layers"]] == PATHS[2:]
    assert told["count"] == 6
    text = page.read_text("utf-8")
    assert "layer2.0.conv1" in text and "layer1.0.conv1" not in text
    assert run("attend", path, *words, "--output", page) == 5  # it exists
    assert "--overwrite" in capsys.readouterr().err
    assert run("attend", path, *words, "--output", page, "--overwrite") == 0
    assert capsys.readouterr().out.startswith("net.npz: od_resnet_custom (kernel_num=2")


def test_photographs_of_classes(tmp_path, capsys, monkeypatch):
    spec = model_spec("cond_mobilenetv2_050", stages=[[1, 16, 1, 1]], num_classes=3)
    path = checkpoint(tmp_path, spec, ["x", "y", "z"])
    folder = write_folder(tmp_path / "photos", {"val": 3})
    monkeypatch.chdir(tmp_path)
    assert run("attend", path, "--images", folder, *READ, "--count", 4, "--quiet") == 0
    text = (tmp_path / "attentions.html").read_text("utf-8")
    assert "ant, bee, cat" in text
    assert "features.1" in text  # the block, whose router its convolutions share
    assert any(f"taken for {name}" in text for name in "xyz")


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "expected images (.bmp"),
        ({"a.txt": b"text"}, "expected images (.bmp"),
        ({"a.png": b"text"}, "a.png"),
        ({"cat/a.png": BROKEN}, "a.png"),
        (None, "expected a folder of images, or 'digits'"),
    ],
)
def test_what_are_no_images(tmp_path, files, words, capsys):
    folder = tmp_path / "photos"
    for name, content in (files or {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    if files is not None:
        folder.mkdir(exist_ok=True)
    page = tmp_path / "page.html"
    given = ("--images", folder, *READ, "--output", page)
    assert run("attend", checkpoint(tmp_path), *given) == 2
    said = capsys.readouterr()
    assert words in said.err
    assert (said.out, page.exists()) == ("", False)


@pytest.mark.parametrize(
    ("spec", "options", "words"),
    [
        (model_spec("resnet18", **SMALL), (), "expected a network with ODConv, DyConv or CondConv"),
        (model_spec("cgc_resnet18", **SMALL), (), "other kinds have a method `attentions`"),
        (SPEC, ("--layers", "layer9*"), "expected a pattern of some of layer1.0.conv1, layer1.0."),
        (SPEC, ("--output", "page.txt"), "expected a page's name in .html"),
    ],
)
def test_what_has_no_attentions_to_show(tmp_path, spec, options, words, capsys):
    given = ("--images", "digits", "--count", 2, "--framework", "torch", "--json", *options)
    assert run("attend", checkpoint(tmp_path, spec), *given) == 2
    assert words in capsys.readouterr().err
