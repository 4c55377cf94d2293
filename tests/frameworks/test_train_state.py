"""Checkpoints of trainings, and going on from them, bit by bit.

Keras, which compiles each training and then rounds otherwise, has tests of its own.
"""

from __future__ import annotations

import resource

import numpy as np
import pytest
from train_helpers import course, last, options, run, same_arrays, source, store

from odconv_training import LAST, TrainingError
from tests.trainings import rows
from weights_converter import FileError, Request, extract, inspect, load_into


def checkpoint(training):
    return training.options.output / LAST[training.trainer.framework]


def test_the_converter_reads_it(tmp_path):
    training = run(options(tmp_path, steps=3))
    path, spec = checkpoint(training), training.options.spec
    found = inspect(Request(path, spec)).checkpoint.scalars
    assert found["epoch"] == 0
    assert found["temperature"] == pytest.approx(18.4)  # two fifths of 30 to 1
    fresh = course(options(tmp_path / "b")).trainer.model
    load_into(fresh, path)
    loaded = extract(fresh)
    for name, array in extract(training.trainer.model).items():
        np.testing.assert_array_equal(loaded[name], array)


@pytest.mark.filterwarnings("ignore:.*(float16|bfloat16|amp).*")
@pytest.mark.parametrize(  # an epoch has five steps
    ("stop", "precision"), [(2, "float32"), (5, "bfloat16"), (8, "float16")]
)
def test_a_resumed_training_ends_bit_identical(kit, tmp_path, stop, precision):
    values = {"precision": precision, "spec": {"dropout": 0.4}, "clip_norm": 2.0}
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run(options(whole, **values))
    run(options(parts, steps=stop, **values))
    kit.seed(99)  # a new process draws other numbers
    run(options(parts, resume=True, **values))
    one, two = last(whole), last(parts)
    assert one["step"] == two["step"] == 10
    assert one.get("scaler") == two.get("scaler")  # which PyTorch has
    assert same_arrays(one, two)
    for name in ("train.csv", "validation.csv"):
        one, two = (rows(folder / name) for folder in (whole, parts))
        assert one["loss"] == two["loss"]
        assert one["step"] == two["step"]


def test_checkpoints_between_epochs_do_not_change_the_training(tmp_path):
    run(options(tmp_path / "few"))
    run(options(tmp_path / "many", checkpoint_steps=2))
    assert same_arrays(last(tmp_path / "few"), last(tmp_path / "many"))


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "other"])
def test_a_damaged_checkpoint(tmp_path, damage):
    path = checkpoint(run(options(tmp_path, steps=1)))
    content = path.read_bytes()
    if damage == "other":
        store({"state_dict": {}}, path)
    else:
        half = content[: len(content) // 2]
        path.write_bytes({"cut": half, "empty": b"", "text": b"no checkpoint"}[damage])
    with pytest.raises(TrainingError, match=r"checkpoint\.[a-z.]+: expected a checkpoint"):
        course(options(tmp_path, resume=True))


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path):
    """A limit on the size of files stands for the disk: both fail while they are written."""
    path = checkpoint(run(options(tmp_path, steps=4)))
    good, size = last(tmp_path), path.stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, hard))
    try:
        with pytest.raises(FileError, match=rf"cannot write .*{path.suffix}: File too large"):
            run(options(tmp_path, resume=True, checkpoint_steps=1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert same_arrays(good, last(tmp_path))
    assert last(tmp_path)["step"] == 4
    assert not list(tmp_path.glob(".*.part"))
    assert run(options(tmp_path, resume=True)).progress.step == 10


def test_every_sample_is_seen_once_an_epoch(tmp_path):
    seen = []
    training = course(options(tmp_path))
    step = training.trainer.step

    class Watching:
        model, optimizer, scaler = step.model, step.optimizer, step.scaler

        def __call__(self, number, images, *rest):
            seen.append(images.numpy())
            return step(number, images, *rest)

    training.trainer.step = Watching()
    training.run()
    everything = np.sort(source().train.images.reshape(44, -1)[:, 0])
    orders = [np.concatenate(seen[at : at + 5]).reshape(44, -1)[:, 0] for at in (0, 5)]
    for order in orders:
        np.testing.assert_array_equal(np.sort(order), everything)
    assert not np.array_equal(orders[0], orders[1])
