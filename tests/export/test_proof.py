"""The proof of an export: what it measures, and that nothing is left where it fails."""

from __future__ import annotations

import numpy as np
import pytest

from odconv.exporting.job import Job
from odconv.exporting.proof import Proof, Trial, probes, prove, relative
from odconv.exporting.staging import staged
from odconv_torch import create_model
from tests.quick import quick
from weights_converter.errors import FileError, MismatchError


def test_the_difference_is_relative_to_the_largest_output():
    expected = np.array([[1.0, -4.0]], np.float32)
    assert relative(expected + np.float32([[0.0, 1.0]]), expected) == 0.25
    assert relative(np.float32([[np.nan, 0.0]]), expected) == np.inf
    assert relative(np.float32([[1.0, np.inf]]), expected) == np.inf
    assert relative(expected, expected) == 0


def test_the_probe_has_every_batch_and_another_size():
    job = Job("compact", channels=2, size=(8, 16), dynamic_size=True)
    shapes = [images.shape for images in probes(job)]
    assert shapes == [(1, 2, 8, 16), (2, 2, 8, 16), (5, 2, 8, 16), (1, 2, 40, 80)]
    fixed = [images.shape for images in probes(Job("single", size=(8, 8), batch=1))]
    assert fixed == [(1, 3, 8, 8)]
    again = zip(probes(job), probes(job), strict=True)
    assert all(np.array_equal(one, other) for one, other in again)


def test_the_probe_is_normal_once_the_graph_has_normalised_it():
    mean, std = (5.0, -3.0, 0.0), (0.1, 2.0, 1.0)
    job = Job("compact", size=(64, 64), mean=mean, std=std, in_graph=True)
    *_, images = probes(job)
    assert np.allclose(images.mean((0, 2, 3)), mean, atol=0.1)
    assert np.allclose(images.std((0, 2, 3)), std, rtol=0.05)


def test_another_network_is_not_equal(portable, spec):
    import torch

    other = create_model("od_resnet18", **_options(spec)).eval()

    def outputs(images):
        with torch.no_grad():
            return (other(torch.from_numpy(images)).numpy(),)

    job = Job("portable", size=(32, 48))
    proof = prove(portable, outputs, job, "onnxruntime", probes(job))
    assert proof.difference > 0.1 and not proof.equal
    with pytest.raises(MismatchError, match=r"model.onnx in onnxruntime differs .* at batch"):
        proof.demand_equal("model.onnx")


def _options(spec):
    return {"stages": [[8, 1], [12, 1]], "stem_channels": 8, "num_classes": 5, "kernel_num": 2}


def test_agreement_counts_images():
    trials = (Trial(1, (8, 8), 0.1, 1.0), Trial(3, (8, 8), 0.3, 1 / 3))
    proof = Proof("onnxruntime", 0.2, trials)
    assert (proof.difference, proof.agreement, proof.equal) == (0.3, 0.5, False)


@pytest.mark.parametrize("ending", quick(["torchscript"], ["torchscript", "xml"]))
def test_nothing_is_left_above_the_tolerance(ending, checkpoint, tmp_path, run, capsys):
    path = tmp_path / f"a.{ending}"
    path.write_text("old", encoding="utf-8")
    words = ("--size", 32, "--tolerance", 0, "--overwrite")
    assert run("export", checkpoint, path, *words) == 1
    out, err = capsys.readouterr()
    assert out == "" and "differs from the checkpoint by" in err and "nothing was written" in err
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert path.read_text(encoding="utf-8") == "old"


def test_all_files_take_their_places_together(tmp_path):
    (tmp_path / "a.bin").write_text("old", encoding="utf-8")
    with pytest.raises(FileError, match=r"a.bin exists already"):
        _write(tmp_path, overwrite=False)
    assert [file.name for file in tmp_path.iterdir()] == ["a.bin"]
    _write(tmp_path, overwrite=True)
    assert {file.name for file in tmp_path.iterdir()} == {"a.xml", "a.bin"}
    assert (tmp_path / "a.bin").read_text(encoding="utf-8") == "new"


def test_a_folder_takes_the_place_of_a_folder(tmp_path):
    path = tmp_path / "a.saved_model"
    for content in ("old", "new"):
        with staged(path, overwrite=content == "new") as draft:
            draft.mkdir()
            (draft / content).write_text(content, encoding="utf-8")
    assert [file.name for file in path.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupt_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.onnx"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(KeyboardInterrupt), staged(path, overwrite=True) as draft:
        draft.write_text("half", encoding="utf-8")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == [path] and path.read_text(encoding="utf-8") == "old"


def _write(folder, overwrite):
    with staged(folder / "a.xml", overwrite) as draft:
        draft.write_text("new", encoding="utf-8")
        draft.with_suffix(".bin").write_text("new", encoding="utf-8")
