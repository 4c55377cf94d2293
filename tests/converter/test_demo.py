"""`odconv demo` without a framework: its files, the circle, and what it does with other files."""

from __future__ import annotations

import json

import pytest

import odconv
from odconv.demonstration.demo import Demonstration, Run
from odconv.demonstration.files import CHECKPOINT, SPEC, digits, lay_out
from odconv.main import main
from tests.distributions import ROOT

WITHOUT_RUNS = {"runtimes": ()}


def test_the_checkpoint_is_that_of_the_examples(tmp_path):
    lay_out(tmp_path)
    spec = tmp_path / SPEC
    example = ROOT / "examples" / "odconv4x_mobilenetv2_digits.pth.tar"
    shipped = odconv.Request(tmp_path / CHECKPOINT, spec)
    assert odconv.verify(odconv.Request(example, spec), shipped).equal
    assert spec.read_bytes() == (ROOT / "examples" / "digits.json").read_bytes()


def test_the_circle_is_closed(tmp_path):
    found = odconv.demo(tmp_path / "new" / "folder", **WITHOUT_RUNS)
    assert found.circle.equal and found.as_published
    assert all(path.is_file() for path in found.converted)
    assert len({path.suffix for path in found.converted}) == 4
    assert "\n  151 of 151 arrays came back with equal bits\n" in str(found)
    assert "pip install 'odconv[torch]'" in str(found)


def test_a_second_demo_needs_to_be_told(tmp_path):
    odconv.demo(tmp_path, **WITHOUT_RUNS)
    with pytest.raises(odconv.ConverterError, match="exists already"):
        odconv.demo(tmp_path, **WITHOUT_RUNS)
    assert odconv.demo(tmp_path, overwrite=True, **WITHOUT_RUNS).as_published


def test_files_of_others_stay(tmp_path, capsys):
    (tmp_path / CHECKPOINT).write_bytes(b"mine")
    assert main(["demo", str(tmp_path), "--overwrite"]) == 5
    assert "is not of the demonstration" in capsys.readouterr().err
    assert (tmp_path / CHECKPOINT).read_bytes() == b"mine"


def test_a_file_in_the_place_of_the_folder(tmp_path, capsys):
    (tmp_path / "file").write_bytes(b"mine")
    assert main(["demo", str(tmp_path / "file")]) == 5
    assert main(["demo", str(tmp_path / "file" / "deeper")]) == 5
    assert "error: " in capsys.readouterr().err


def test_an_unknown_runtime_is_refused_before_anything_is_written(tmp_path, capsys):
    assert main(["demo", str(tmp_path / "a"), "--runtime", "nonsense"]) == 2
    assert "expected torch, paddle" in capsys.readouterr().err
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("difference", "good"), [(1e-5, True), (0.01, False), (float("nan"), False)]
)
def test_other_numbers_than_the_published_ones_show(tmp_path, difference, good):
    found = odconv.demo(tmp_path, **WITHOUT_RUNS)
    runs = (Run("torch", 96.9, 1e-6), Run("paddle", 96.9, difference))
    values = {name: getattr(found, name) for name in found.__dataclass_fields__}
    assert Demonstration(**(values | {"runs": runs})).as_published is good


def test_the_digits():
    found = digits()
    assert found.images.shape == (64, 3, 32, 32) and found.logits.shape == (64, 10)
    assert 0.9 < (found.logits.argmax(1) == found.labels).mean() < 1


def test_as_json(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("parity_tests.runtimes.find_spec", lambda name: None)
    assert main(["demo", str(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["equal"] is True and found["runs"] == [] and len(found["converted"]) == 4
