"""Checkpoints of trainings: going on from them, and what can be wrong with them."""

from __future__ import annotations

import resource

import keras
import numpy as np
import pytest
from train_helpers import assert_close, course, last, options, run, save_fresh

from odconv_keras.models import build_model
from odconv_keras.train import SGD
from odconv_training import LAST, TrainingError
from odconv_training.checkpoints import save
from odconv_training.progress import content_of
from tests.trainings import rows
from weights_converter import FileError, extract, load_into


@pytest.mark.parametrize(  # an epoch has three steps
    ("stop", "precision"),
    [(2, "float32"), *(pytest.param(*p, marks=pytest.mark.slow) for p in ((3, "bfloat16"),))],
)
def test_a_resumed_training_ends_equal(tmp_path, stop, precision):
    values = {"precision": precision, "spec": {"dropout": 0.4}, "clip_norm": 2.0}
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run(options(whole, **values))
    run(options(parts, steps=stop, **values))
    keras.utils.set_random_seed(99)  # a new process draws other numbers
    run(options(parts, resume=True, **values))
    assert_close(last(whole), last(parts))
    for name in ("train.csv", "validation.csv"):
        one, two = (rows(folder / name) for folder in (whole, parts))
        assert one["loss"] == pytest.approx(two["loss"], rel=1e-7)
        assert one["step"] == two["step"]
    losses = rows(whole / "train.csv")["loss"]
    assert len(losses) == 6
    assert np.isfinite(losses).all()


def test_keras_and_the_converter_read_it(tmp_path):
    training = save_fresh(options(tmp_path))
    path = tmp_path / LAST["keras"]
    twin = keras.saving.load_model(path)
    assert type(twin.optimizer) is SGD
    other = build_model(training.options.spec)
    load_into(other, path)
    arrays, found, loaded = (extract(model) for model in (training.trainer.model, twin, other))
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        np.testing.assert_array_equal(loaded[name], array)


@pytest.mark.slow
def test_loss_scaling_in_float16_is_resumed(tmp_path):
    values = {"precision": "float16"}
    run(options(tmp_path / "whole", **values))
    run(options(tmp_path / "parts", steps=4, **values))
    run(options(tmp_path / "parts", resume=True, **values))
    assert_close(last(tmp_path / "whole"), last(tmp_path / "parts"))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The checkpoint of a training that has not begun."""
    folder = tmp_path_factory.mktemp("saved")
    save_fresh(options(folder))
    return folder / LAST["keras"]


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "other"])
def test_a_damaged_checkpoint(tmp_path, saved, damage):
    path = tmp_path / LAST["keras"]
    content = saved.read_bytes()
    if damage == "other":
        build_model(options(tmp_path).spec).save(path)
    else:
        half = content[: len(content) // 2]
        path.write_bytes({"cut": half, "empty": b"", "text": b"no checkpoint"}[damage])
    with pytest.raises(TrainingError, match=r"checkpoint\.keras: expected a checkpoint"):
        course(options(tmp_path, resume=True))


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path):
    """A limit on the size of files stands for the disk: both fail while they are written."""
    training = save_fresh(options(tmp_path))
    good, size = last(tmp_path), (tmp_path / LAST["keras"]).stat().st_size
    content = content_of(training.options, training.progress, 0.0)
    for weight in training.trainer.model.trainable_variables:
        weight.assign(weight * 2)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, hard))
    try:
        with pytest.raises(FileError, match=r"cannot write .*\.keras: File too large"):
            save(training.trainer, tmp_path, content, best=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert_close(good, last(tmp_path), 0)
    assert [path.name for path in tmp_path.iterdir()] == [LAST["keras"]]
