"""Images of folders: the tensors of an evaluation, random crops, and what a worker can find."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from odconv_paddle.train.data import evaluation_batches, training_batches
from odconv_training import CorruptImageError, Samples, TrainingError, open_source
from tests.training.folders import BROKEN, write_folder
from tests.training.reference_images import evaluated, photographs

SIZE = 32
BATCHES = (np.array([5, 1, 7]), np.array([0, 2]))


@pytest.fixture
def samples(tmp_path):
    return open_source(str(write_folder(tmp_path / "images"))).train


def drawn(samples, epoch=0, batches=BATCHES, workers=0):
    loaded = training_batches(samples, batches, 3, epoch, SIZE, workers)
    return [(images.numpy(), labels.numpy()) for images, labels in loaded]


@pytest.mark.parametrize("size", [224, 160])
@pytest.mark.parametrize("turned", [False, True])
def test_the_evaluation_tensor_of_real_photographs(tmp_path, size, turned):
    paths = photographs()
    if turned:
        paths = tuple(tmp_path / f"{path.stem}.png" for path in photographs())
        for path, turn in zip(photographs(), paths, strict=True):
            Image.open(path).transpose(Image.Transpose.ROTATE_90).save(turn)
    samples = Samples(np.array([3, 5]), paths)
    [(images, labels)] = evaluation_batches(samples, [np.array([1, 0])], size)
    assert labels.numpy().tolist() == [5, 3]
    assert images.shape == [2, 3, size, size]
    expected = np.stack([evaluated(path, size) for path in reversed(paths)])
    np.testing.assert_allclose(images.numpy(), expected, rtol=0, atol=1e-6)


def test_crops_and_flips_are_random(samples):
    pixels = np.tile(np.arange(40, dtype=np.uint8) * 6, (36, 1))  # brighter to the right
    Image.fromarray(pixels).save(samples.paths[0])
    found = [drawn(samples, epoch, [np.array([0])])[0][0][0, 0] for epoch in range(20)]
    rises = [float(image[:, -1].mean() - image[:, 0].mean()) for image in found]
    assert 3 < sum(rise < 0 for rise in rises) < 17
    assert max(map(abs, rises)) > 1.5 * min(map(abs, rises))  # crops of different sizes


def test_a_crop_depends_on_seed_epoch_and_sample_alone(samples):
    whole = drawn(samples)
    [later] = drawn(samples, batches=BATCHES[1:], workers=1)
    for found, expected in zip(later, whole[1], strict=True):
        np.testing.assert_array_equal(found, expected)
    [(other, _), _] = drawn(samples, epoch=1)
    assert not np.array_equal(other, whole[0][0])
    assert whole[0][0].shape == (3, 3, SIZE, SIZE)
    assert whole[0][1].tolist() == samples.labels[BATCHES[0]].tolist()


def test_the_global_generators_are_left_as_they_were(samples):
    states = random.getstate(), np.random.get_state()[1].tolist()
    drawn(samples)
    assert states == (random.getstate(), np.random.get_state()[1].tolist())


@pytest.mark.parametrize("workers", [0, 1])
def test_a_corrupt_image_is_named(samples, workers):
    samples.paths[1].write_bytes(BROKEN)
    with pytest.raises(
        CorruptImageError, match=rf"^expected an image, received {samples.paths[1]}"
    ):
        drawn(samples, workers=workers)


@pytest.mark.slow  # Paddle looks after its workers every five seconds
def test_a_killed_worker_is_named(samples):
    before = children()
    loaded = training_batches(samples, BATCHES * 200, 3, 0, SIZE, 1)
    next(loaded)
    for worker in children() - before:
        os.kill(worker, signal.SIGKILL)
    with pytest.raises(TrainingError, match="expected 1 workers that load images, one has ended"):
        list(loaded)


def children():
    here = Path(f"/proc/{os.getpid()}/task")
    return {int(child) for entry in here.glob("*/children") for child in entry.read_text().split()}
