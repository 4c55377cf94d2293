"""`odconv predict`, and what `odconv evaluate` makes of the names of a checkpoint's classes."""

from __future__ import annotations

import json

import numpy as np
import pytest

import odconv
from odconv.main import main
from odconv_spec import model_spec, to_json
from odconv_training.prediction import softmax
from tests.converter.helpers import arrays_of, save
from tests.training.folders import BROKEN, write_folder
from weights_converter.identify.class_names import to_text

# Paddle reads images without torchvision, and compiles nothing.
READ = ("--framework", "paddle", "--image-size", "32")
SPEC = model_spec("resnet18", stages=[[8, 1], [12, 1]], stem_channels=8, num_classes=4)
NAMES = ("cat", "ant", "dog", "bee")  # not in the order of folders


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("photos") / "photos", {"val": 3}) / "val"


def checkpoint(tmp_path, names=NAMES, spec=SPEC):
    metadata = {"odconv.class_names": to_text(names)} if names else {}
    path = tmp_path / "net.npz"
    return save(path, spec, arrays_of(spec), ".npz", metadata | {"odconv.spec": to_json(spec)})


def run(*arguments):
    return main(list(map(str, arguments)))


def test_one_image(tmp_path, folder, capsys):
    path = checkpoint(tmp_path)
    assert run("predict", path, folder / "bee" / "0.png", *READ, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    ((image, classes),) = ((one["image"], one["classes"]) for one in found["images"])
    assert image == str(folder / "bee" / "0.png")
    chances = [one["probability"] for one in classes]
    assert {one["name"] for one in classes} == set(NAMES)
    assert chances == sorted(chances, reverse=True)
    assert sum(chances) == pytest.approx(1)
    assert run("predict", path, image, *READ, "--top", 1) == 0
    best = classes[0]
    line = f"{100 * best['probability']:6.2f} %  {best['name']}"
    assert capsys.readouterr().out.splitlines()[1:] == [image, line]


def test_several_images_are_a_table(tmp_path, folder, capsys):
    images = sorted(folder.rglob("*.png"))
    found = odconv.predict(checkpoint(tmp_path), images, "paddle", image_size=32, top=2)
    first, second = found.images[4][1]
    lines = str(found).splitlines()
    assert lines[1].split() == ["image", "1", "2"]
    cells = [f"{guess.name} {100 * guess.probability:.1f} %" for guess in (first, second)]
    assert "  ".join(lines[6].split("  ")).split() == " ".join([str(images[4]), *cells]).split()
    assert len({line.index("%") for line in lines[2:]}) <= 2  # columns


def test_an_evaluation_gives_the_same_answers(tmp_path, folder):
    """Its labels are those of the names, which are in another order than the folders."""
    path, images = checkpoint(tmp_path), sorted(folder.rglob("*.png"))
    found = odconv.evaluate(path, str(folder.parent), "paddle", image_size=32)
    guesses = odconv.predict(path, images, "paddle", image_size=32, top=1).images
    right = [
        guess.name == image.parent.name
        for image, (_, (guess,)) in zip(images, guesses, strict=True)
    ]
    assert found.score.top1 == pytest.approx(100 * np.mean(right))
    assert found.classes == NAMES
    assert "9 of 3 classes" in str(found)
    confused = {
        (image.parent.name, guess.name)
        for image, (_, (guess,)) in zip(images, guesses, strict=True)
    }
    told = {(one.truth, one.answer) for one in found.confusions()}
    assert told == {pair for pair in confused if pair[0] != pair[1]}


def test_outputs_without_names_have_numbers(tmp_path, folder):
    found = odconv.predict(
        checkpoint(tmp_path, ()), folder / "ant" / "0.png", "paddle", image_size=32
    )
    names = {guess.name for guess in found.images[0][1]}
    assert names == {f"output {label}" for label in range(4)}


def test_data_of_other_classes(tmp_path, folder, capsys):
    path = checkpoint(tmp_path, ("cat", "ant", "dog", "cow"))
    assert run("evaluate", path, "--data", folder.parent, *READ) == 2
    assert "received 1 others: bee" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [(b"text", 2, "no.png"), (BROKEN, 2, "no.png"), (None, 5, "no.png")],
)
def test_what_is_no_image(tmp_path, content, code, words, capsys):
    image = tmp_path / "no.png"
    if content is not None:
        image.write_bytes(content)
    assert run("predict", checkpoint(tmp_path), image, *READ) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert words in said.err
    assert "--skip-corrupt" not in said.err


def test_a_network_without_a_head(tmp_path, folder, capsys):
    spec = model_spec("resnet18", stages=[[8, 1]], stem_channels=8, num_classes=0)
    path = checkpoint(tmp_path, (), spec)
    assert run("predict", path, folder / "ant" / "0.png", *READ) == 2
    assert "without a head" in capsys.readouterr().err


def test_the_softmax_of_large_logits():
    found = softmax(np.array([[1000.0, 1000.0, -1000.0], [0.0, np.log(3), -np.inf]], np.float32))
    np.testing.assert_allclose(found, [[0.5, 0.5, 0], [0.25, 0.75, 0]], rtol=1e-6)
