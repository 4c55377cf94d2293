"""Checkpoints of trainings: their layout, going on from them, and what can be wrong with them."""

from __future__ import annotations

import resource

import numpy as np
import paddle
import pytest
from train_helpers import ALONE, last, options, rows, run, same_arrays, source

from odconv_paddle.models.factory import build_model
from odconv_paddle.train import run as module
from odconv_paddle.train.run import Training
from odconv_training import BEST, LAST, TrainingError
from weights_converter import FileError, inspect, load_into
from weights_converter.identify.request import Request


def test_the_converter_reads_it(tmp_path):
    training = run(options(tmp_path, steps=3))
    found = inspect(Request(tmp_path / LAST["paddle"], training.options.spec))
    assert found.checkpoint.scalars["epoch"] == 0
    assert found.checkpoint.scalars["temperature"] == pytest.approx(18.4)  # two fifths of 30 to 1
    model = build_model(training.options.spec)
    load_into(model, tmp_path / LAST["paddle"])
    for name, array in training.model.state_dict().items():
        np.testing.assert_array_equal(model.state_dict()[name], array)


@pytest.mark.filterwarnings("ignore:.*(float16|bfloat16|amp).*")
@pytest.mark.parametrize(  # an epoch has five steps
    ("stop", "precision"), [(2, "float32"), (5, "bfloat16"), (8, "float16")]
)
def test_a_resumed_training_ends_bit_identical(tmp_path, stop, precision):
    values = {"precision": precision, "spec": {"dropout": 0.4}, "clip_norm": 2.0}
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run(options(whole, **values))
    run(options(parts, steps=stop, **values))
    paddle.seed(99)  # a new process draws other numbers
    run(options(parts, resume=True, **values))
    assert last(whole)["step"] == last(parts)["step"] == 10
    assert same_arrays(last(whole), last(parts))
    for name in ("train.csv", "validation.csv"):
        one, two = (rows(folder / name) for folder in (whole, parts))
        assert one["loss"] == two["loss"]
        assert one["step"] == two["step"]


def test_checkpoints_between_epochs_do_not_change_the_training(tmp_path):
    run(options(tmp_path / "few"))
    run(options(tmp_path / "many", checkpoint_steps=2))
    assert same_arrays(last(tmp_path / "few"), last(tmp_path / "many"))


def test_a_checkpoint_every_n_steps(tmp_path, monkeypatch):
    saved = []
    monkeypatch.setattr(Training, "_save", lambda self, best=False: saved.append(self.progress))
    run(options(tmp_path, checkpoint_steps=2, steps=8))
    assert [p.step for p in saved] == [0, 2, 4, 5, 6, 8]
    assert [p.epoch for p in saved] == [0, 0, 0, 1, 1, 1]


def test_the_best_is_kept(tmp_path, monkeypatch):
    class Fixed:
        images, loss, top5 = 1, 1.0, 90.0

        def __init__(self, top1):
            self.top1 = top1

    scores = iter([20.0, 50.0, 40.0])
    monkeypatch.setattr(module, "score", lambda *_: Fixed(next(scores)))
    run(options(tmp_path, recipe={"epochs": 3}))
    best, end = paddle.load(str(tmp_path / BEST["paddle"])), last(tmp_path)
    assert (best["epoch"], best["best_acc"], best["acc"]) == (2, 50.0, 50.0)
    assert (end["epoch"], end["best_acc"], end["acc"]) == (3, 50.0, 40.0)


def test_a_fresh_start_leaves_nothing_of_an_older_run_to_resume(tmp_path, monkeypatch):
    run(options(tmp_path))

    def dies(*_):
        raise MemoryError

    monkeypatch.setattr(Training, "_train", dies)
    with pytest.raises(MemoryError):
        run(options(tmp_path))
    assert last(tmp_path)["step"] == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 1}, "seed of the training to resume, 0, received 1"),
        ({"recipe": {"lr": 0.5}}, "recipe's lr .* received 0.5"),
        ({"spec": {"conv_options": {"kernel_num": 3}}}, "spec's conv_options"),
    ],
)
def test_another_training_is_refused(tmp_path, changes, message):
    run(options(tmp_path, steps=1))
    with pytest.raises(TrainingError, match=message):
        Training(options(tmp_path, resume=True, **changes), source(), ALONE)


def test_resume_without_a_checkpoint_starts(tmp_path):
    training = Training(options(tmp_path, resume=True), source(), ALONE)
    assert training.progress.step == 0


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "other"])
def test_a_damaged_checkpoint(tmp_path, damage):
    run(options(tmp_path, steps=1))
    path = tmp_path / LAST["paddle"]
    content = path.read_bytes()
    if damage == "other":
        paddle.save({"state_dict": {}}, str(path))
    else:
        half = content[: len(content) // 2]
        path.write_bytes({"cut": half, "empty": b"", "text": b"no checkpoint"}[damage])
    with pytest.raises(TrainingError, match=r"checkpoint\.pdparams: expected a checkpoint"):
        Training(options(tmp_path, resume=True), source(), ALONE)


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path):
    """A limit on the size of files stands for the disk: both fail while they are written."""
    run(options(tmp_path, steps=4))
    good, size = last(tmp_path), (tmp_path / LAST["paddle"]).stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, hard))
    try:
        with pytest.raises(FileError, match=r"cannot write .*\.pdparams: File too large"):
            run(options(tmp_path, resume=True, checkpoint_steps=1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert same_arrays(good, last(tmp_path))
    assert last(tmp_path)["step"] == 4
    assert not list(tmp_path.glob(".*.part"))
    assert run(options(tmp_path, resume=True)).progress.step == 10
