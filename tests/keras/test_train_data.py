"""Batches and the images in them."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from odconv_keras.train.data import evaluation_batches, training_batches
from odconv_keras.train.images import _crop, augmentation
from odconv_training import MEAN, STD, CorruptImageError, Samples, open_source
from odconv_training.images import evaluation

sys.path.append(str(Path(__file__).parents[1] / "training"))  # what all frameworks share

from folders import BROKEN, write_folder
from reference_images import evaluated, photographs


@pytest.mark.parametrize("path", photographs(), ids=lambda path: path.stem)
@pytest.mark.parametrize("size", [224, 97])
def test_photographs_are_evaluated_as_the_reference_says(path, size):
    samples = Samples(np.zeros(1, np.int64), (path,))
    for data_format in ("channels_first", "channels_last"):
        batches = evaluation_batches(samples, [np.array([0])], size, data_format=data_format)
        ((images, _),) = batches
        found = images[0] if data_format == "channels_first" else np.moveaxis(images[0], -1, 0)
        assert images.dtype == np.float32
        np.testing.assert_allclose(found, evaluated(path, size), rtol=0, atol=1e-6)


def test_a_tall_image_is_cropped_at_its_centre():
    pixels = np.zeros((400, 200, 3), np.uint8)
    pixels[150:250] = 255
    found = evaluation(Image.fromarray(pixels), 64)  # of a map 146 high
    white = (1 - np.array(MEAN)) / np.array(STD)
    np.testing.assert_allclose(found[32, 32], white, rtol=1e-5)
    np.testing.assert_allclose(found[0, 32], -np.array(MEAN) / np.array(STD), rtol=1e-5)


def test_a_random_crop_depends_on_its_seed_alone():
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (36, 40, 3), np.uint8))
    first, again, other = (augmentation(image, 32, seed) for seed in (5, 5, 6))
    assert first.shape == (32, 32, 3)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(("width", "height"), [(40, 36), (500, 20), (1, 300)])
def test_random_crops_lie_in_the_image(width, height):
    generator = np.random.default_rng(1)
    sizes = set()
    for _ in range(200):
        left, top, right, bottom = _crop(width, height, generator)
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
        sizes.add((right - left, bottom - top))
    assert (len(sizes) > 20) == (min(width, height) > 20)


def test_workers_change_nothing(tmp_path):
    samples = open_source(str(write_folder(tmp_path))).train
    batches = [np.array([4, 0, 2]), np.array([1, 8]), np.array([3, 5, 6, 7])]
    one, three = (list(training_batches(samples, batches, 7, 1, 32, workers)) for workers in (0, 3))
    for chosen, (images, labels), (others, same) in zip(batches, one, three, strict=True):
        assert images.shape == (len(chosen), 32, 32, 3)
        np.testing.assert_array_equal(labels, samples.labels[chosen])
        np.testing.assert_array_equal(labels, same)
        np.testing.assert_array_equal(images, others)


def test_arrays_get_the_data_format():
    images = np.random.default_rng(0).random((6, 3, 5, 4), "float32")
    samples = Samples(np.arange(6), images=images)
    batches = [np.array([5, 1])]
    ((last, labels),) = training_batches(samples, batches, 0, 0)
    ((first, _),) = training_batches(samples, batches, 0, 0, data_format="channels_first")
    np.testing.assert_array_equal(labels, [5, 1])
    np.testing.assert_array_equal(first, images[[5, 1]])
    np.testing.assert_array_equal(last, images[[5, 1]].transpose(0, 2, 3, 1))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_corrupt_image_is_named(tmp_path, workers):
    folder = write_folder(tmp_path)
    (folder / "train" / "bee" / "1.png").write_bytes(BROKEN)
    samples = open_source(str(folder)).train
    batches = [np.arange(3), np.arange(3, 6), np.arange(6, 9)]
    with pytest.raises(CorruptImageError, match=r"bee.1\.png"):
        list(training_batches(samples, batches, 0, 0, 32, workers))
