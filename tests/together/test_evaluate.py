"""`odconv evaluate`: the shipped checkpoint on the digits and on folders, and what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from odconv.main import main
from odconv_spec import to_json
from odconv_training import Score, digits, open_validation
from odconv_training.confusion_picture import worst_classes
from odconv_training.evaluation import Evaluation
from tests.converter.helpers import arrays_of, save
from tests.processes import run_process
from tests.training.folders import CLASSES, write_folder

EXAMPLES = Path(__file__).parents[2] / "examples"
CHECKPOINT = str(EXAMPLES / "odconv4x_mobilenetv2_digits.pth.tar")
MODEL = ("--model", str(EXAMPLES / "digits.json"))
PNG = b"\x89PNG\r\n\x1a\n"


def run(*arguments, checkpoint=CHECKPOINT, framework="torch"):
    return main(["evaluate", checkpoint, "--framework", framework, *map(str, arguments)])


def test_the_shipped_checkpoint_on_the_digits(tmp_path, capsys):
    picture = tmp_path / "confusion.png"
    assert run("--data", "digits", *MODEL, "--json", "--picture", picture) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["images"] == 360
    assert found["top1"] == pytest.approx(100 * 347 / 360)  # the published code's 96.4 %
    assert found["top5"] == 100
    assert found["loss"] == pytest.approx(0.1587, abs=1e-4)
    assert found["images_per_second"] > 0
    assert sum(confusion["count"] for confusion in found["confusions"]) == 13
    assert found["confusions"][0]["count"] == 2
    assert picture.read_bytes().startswith(PNG)


def test_the_table(capsys):
    assert run("--data", "digits", *MODEL, "--batch-size", 100) == 0
    out = capsys.readouterr().out
    assert "top-1     96.39 %\ntop-5     100.00 %\nloss      0.1587\n" in out
    assert "5 taken for 9: 2 of 38\n" in out


def test_a_folder_needs_no_images_to_train_with(tmp_path):
    write_folder(tmp_path / "photos", {"val": 3})
    source = open_validation(str(tmp_path / "photos"))
    assert (source.classes, len(source.train), len(source.validation)) == (CLASSES, 0, 9)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--data", "nowhere"], 2, "nowhere"),
        (["--data", "digits", "--key", "ema"], 2, "ema"),
        (["--data", "digits", "--picture", "a.txt"], 2, "a.txt"),
        (["--data", "digits", "--picture", "no/such/folder/a.png"], 5, "folder does not exist"),
    ],
)
def test_what_is_refused(arguments, code, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(*arguments, *MODEL) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert words in said.err
    assert said.err.startswith("error: ")


def test_a_picture_is_replaced_only_when_asked(tmp_path, capsys):
    picture = tmp_path / "a.png"
    picture.write_bytes(b"mine")
    assert run("--data", "digits", *MODEL, "--picture", picture) == 5
    assert "--overwrite" in capsys.readouterr().err
    assert picture.read_bytes() == b"mine"


def test_more_classes_than_outputs(tmp_path, capsys):
    spec = digits.spec()
    small = type(spec)(**{**vars(spec), "num_classes": 4})
    (tmp_path / "four.json").write_text(to_json(small))
    path = save(tmp_path / "four.pth", small, arrays_of(small))
    arguments = ("--data", "digits", "--model", tmp_path / "four.json")
    assert run(*arguments, checkpoint=str(path)) == 2
    assert "at least 10 outputs" in capsys.readouterr().err


def test_a_framework_that_is_not_installed(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "odconv_torch.train.evaluation", None)
    assert run("--data", "digits", *MODEL) == 2
    assert "pip install 'odconv[torch,train]'" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--batch-size", "--image-size"])
def test_numbers_start_at_one(option, capsys):
    assert run("--data", "digits", option, "0") == 2


def test_the_worst_classes_are_those_of_the_wrong_answers():
    score = Score(30)
    score.confusion = np.diag(np.full(30, 9))
    score.confusion[[25, 3], [7, 3]] = 5
    names = tuple(f"class {label}" for label in range(30))
    found = Evaluation("a.pth", "net", "torch", "photos", names, score, 1.0)
    assert {25, 7} <= set(worst_classes(found))
    assert len(worst_classes(found)) == 20
    assert [(one.truth, one.answer, one.count) for one in found.confusions()] == [
        ("class 25", "class 7", 5)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("framework", ["paddle", "keras"])
def test_another_framework_has_the_same_score(framework):
    found = scored(framework, "--data", "digits")
    assert found["top1"] == pytest.approx(100 * 347 / 360)
    assert found["loss"] == pytest.approx(0.1587, abs=1e-4)


@pytest.mark.slow
def test_frameworks_agree_on_a_folder(tmp_path):
    folder = str(write_folder(tmp_path / "photos", {"val": 3}))
    # torch needs torchvision for folders, which is not in this environment.
    scores = [scored(name, "--data", folder, "--image-size", "32") for name in ("paddle", "keras")]
    assert scores[0]["images"] == scores[1]["images"] == 9
    assert scores[0]["loss"] == pytest.approx(scores[1]["loss"], rel=1e-4)
    assert scores[0]["confusions"] == scores[1]["confusions"]
    answers = {confusion["answer"] for confusion in scores[0]["confusions"]}
    assert answers <= {*CLASSES, *(f"output {label}" for label in range(3, 10))}


COUNT = """
import os, sys
from odconv.main import main

opens = 0

def hear(event, arguments):
    global opens
    if event == "open" and isinstance(arguments[0], (str, bytes, os.PathLike)):
        opens += os.path.realpath(os.fsdecode(arguments[0])) == os.path.realpath(sys.argv[1])

sys.addaudithook(hear)
code = main(["evaluate", *sys.argv[1:], "--quiet"])
print("opened", opens)
sys.exit(code)
"""


SLOW = [pytest.param(ending, marks=pytest.mark.slow) for ending in (".npz", ".safetensors")]


@pytest.mark.parametrize("ending", [".pth.tar", *SLOW])
def test_the_checkpoint_is_opened_once(ending, tmp_path):
    """Python tells an audit hook of every file that it opens."""
    path = CHECKPOINT
    if ending != ".pth.tar":
        path = str(tmp_path / f"digits{ending}")
        assert main(["convert", CHECKPOINT, path, "--quiet", *MODEL]) == 0
    options = (*MODEL, "--data", "digits", "--framework", "torch")
    done = subprocess.run(
        [sys.executable, "-c", COUNT, path, *options], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "opened 1\n"), done.stderr


def scored(framework, *arguments):
    command = [sys.executable, "-m", "odconv", "evaluate", CHECKPOINT, *MODEL]
    done = run_process(
        [*command, *arguments, "--framework", framework, "--json"],
        env=os.environ | {"KERAS_BACKEND": "tensorflow"},
    )
    return json.loads(done.stdout)
