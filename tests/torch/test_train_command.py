"""The command `python -m odconv_torch.train`, and what it says to wrong input."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from PIL import Image
from train_helpers import course, options, run, source, spec_file

from odconv_torch.models import build_model
from odconv_torch.train import train
from odconv_torch.train.data import Files
from odconv_torch.train.evaluation import logits
from odconv_training import BEST, LAST, Samples, in_order, main
from tests.trainings import rows
from weights_converter import convert, load_into
from weights_converter.identify.request import Request


@pytest.fixture
def folder(tmp_path):
    """Two classes of three images, in train and in val."""
    generator = np.random.default_rng(0)
    for split in ("train", "val"):
        for label in ("cat", "dog"):
            place = tmp_path / "images" / split / label
            place.mkdir(parents=True)
            for index in range(3):
                pixels = generator.integers(0, 256, (36, 40, 3), np.uint8)
                Image.fromarray(pixels).save(place / f"{index}.png")
    return tmp_path / "images"


def test_a_folder_without_torchvision_names_the_remedy(tmp_path, folder, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    monkeypatch.setitem(sys.modules, "torchvision.transforms", None)
    arguments = ["--data", folder, "--output", tmp_path / "run"]
    arguments += ["--spec", spec_file(tmp_path, num_classes=2)]
    assert main("torch", train, list(map(str, arguments))) == 2
    assert "pip install torchvision" in capsys.readouterr().err


def test_wrong_data_is_one_line(tmp_path, folder, capsys):
    def said(*arguments):
        plain = ["--output", tmp_path / "run", *arguments]
        assert main("torch", train, list(map(str, plain))) == 2
        message = capsys.readouterr().err
        assert message.startswith("error: ")
        assert message.count("\n") <= 2
        return message

    two, one = spec_file(tmp_path, num_classes=2), tmp_path / "one"
    assert "val" in said("--data", folder / "train", "--spec", two)
    assert "nowhere" in said("--data", tmp_path / "nowhere", "--spec", two)
    one.mkdir()
    few = spec_file(one, num_classes=1)
    assert "told to have 1" in said("--data", folder, "--spec", few)
    assert "cuda:7" in said("--device", "cuda:7")
    assert "received neither" in said("--evaluate")


def test_a_run_is_not_replaced_unasked(tmp_path, capsys, monkeypatch):
    output = tmp_path / "run"
    common = [*map(str, ("--spec", spec_file(tmp_path), "--output", output, "--quiet"))]
    common += ["--steps", "5", "--batch-size", "8"]  # an epoch
    monkeypatch.setattr("odconv_training.course.open_source", lambda *arguments: source())
    assert main("torch", train, common) == 0
    best = output / BEST["torch"]
    assert best.exists()
    left = {path: path.read_bytes() for path in output.iterdir() if path.is_file()}
    capsys.readouterr()
    with monkeypatch.context() as patched:
        patched.setattr("odconv_training.course.open_source", None)  # nothing is loaded before
        assert main("torch", train, common) == 2
    message = capsys.readouterr().err
    assert message.startswith(f"error: {output} holds a run already: give --resume ")
    assert "--overwrite" in message
    assert message.count("\n") == 1
    assert {path: path.read_bytes() for path in left} == left
    assert main("torch", train, [*common, "--evaluate"]) == 0
    assert main("torch", train, [*common, "--resume"]) == 0
    assert rows(output / "train.csv")["step"] == [0, 1, 2, 3, 4]
    assert main("torch", train, [*common, "--overwrite", "--steps", "1"]) == 0
    assert rows(output / "train.csv")["step"] == [0]
    assert not best.exists()  # it was the other run's


def test_start_from_another_frameworks_file(tmp_path):
    first = run(options(tmp_path / "a", steps=4))
    there = tmp_path / "a.pdparams"
    convert(Request(tmp_path / "a" / LAST["torch"], first.options.spec), there)
    second = course(options(tmp_path / "b", start=there))
    assert second.progress.step == 0
    for name, array in first.trainer.model.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            assert torch.equal(second.trainer.model.state_dict()[name], array)


def test_evaluation_of_the_last_checkpoint(tmp_path, capsys):
    training = run(options(tmp_path))
    course(options(tmp_path, evaluate=True)).evaluate()
    text = capsys.readouterr().out.splitlines()[-1]
    expected = rows(tmp_path / "validation.csv")
    assert text.startswith(f"top-1 {expected['top1'][-1]:.2f} %")
    assert f"loss {expected['loss'][-1]:.4f}, 11 images" in text
    assert training.top1 == expected["top1"][-1]


def test_logits_for_the_evaluate_command(tmp_path):
    training = run(options(tmp_path, steps=2))
    model = build_model(training.options.spec)
    load_into(model, tmp_path / LAST["torch"])
    samples = source().validation
    found = list(logits(model, samples, in_order(np.arange(11), 4)))
    assert [len(labels) for _, labels in found] == [4, 4, 3]
    labels = np.concatenate([part for _, part in found])
    assert np.array_equal(labels, samples.labels)
    with torch.no_grad():
        expected = model(torch.from_numpy(samples.images)).numpy()
    np.testing.assert_allclose(np.concatenate([part for part, _ in found]), expected, atol=1e-5)


def test_every_sample_is_seen_once_an_epoch(tmp_path):
    seen = []
    training = course(options(tmp_path))
    step = training.trainer.step

    class Watching:
        model, optimizer, scaler = step.model, step.optimizer, step.scaler

        def __call__(self, number, images, labels, *rest):
            seen.append(images)
            return step(number, images, labels, *rest)

    training.trainer.step = Watching()
    training.run()
    everything = torch.from_numpy(source().train.images).reshape(44, -1).sum(1).sort().values
    orders = [torch.cat(seen[at : at + 5]).reshape(44, -1).sum(1) for at in (0, 5)]
    for order in orders:
        torch.testing.assert_close(order.sort().values, everything)
    assert not torch.equal(orders[0], orders[1])


def test_samples_that_are_no_images_are_named(tmp_path, folder):
    (folder / "train" / "cat" / "1.png").write_bytes(b"not a picture")
    paths = tuple(sorted((folder / "train" / "cat").iterdir()))
    images = Files(Samples(np.zeros(3, np.int64), paths), lambda image: torch.zeros(3, 2, 2))
    assert images.__getitems__(np.array([0, 2]))[0].shape == (2, 3, 2, 2)
    assert "1.png" in str(images.__getitems__(np.array([0, 1])))
