"""Networks that take the images of a file."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from helpers import channels_first, numpy, run
from small import small

from odconv_keras import Features, ImageNormalization

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 33, 40, 3), "uint8")
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PREPARED = ((IMAGES / 255 - MEAN) / STD).astype("float32")


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_a_model_of_whole_numbers_is_that_of_prepared_images(data_format):
    order = (lambda x: x) if data_format == "channels_last" else channels_first
    plain = small("od_resnet18", data_format=data_format)
    model = small("od_resnet18", data_format=data_format, preprocessing=True)
    assert [w.shape for w in model.weights] == [w.shape for w in plain.weights]
    model.set_weights(plain.get_weights())
    expected = run(plain, order(PREPARED))
    np.testing.assert_allclose(run(model, order(IMAGES)), expected, rtol=1e-4, atol=1e-5)
    maps = model.forward_features(order(IMAGES))
    np.testing.assert_allclose(numpy(model.forward_head(maps)), expected, rtol=1e-4, atol=1e-5)
    (found,) = run(Features(model, 1), order(IMAGES))
    (expected,) = plain.forward_stages(order(PREPARED), 1)
    np.testing.assert_allclose(found, numpy(expected), rtol=1e-4, atol=1e-4)


def test_files(tmp_path):
    plain, model = small("od_resnet18"), small("od_resnet18", preprocessing=True)
    model.save(tmp_path / "m.keras")
    twin = keras.models.load_model(tmp_path / "m.keras")
    assert twin.preprocessing.get_config() == model.preprocessing.get_config()
    np.testing.assert_array_equal(run(twin, IMAGES), run(model, IMAGES))
    plain.save_weights(tmp_path / "m.weights.h5")
    model.load_weights(tmp_path / "m.weights.h5")
    np.testing.assert_allclose(run(model, IMAGES), run(plain, PREPARED), rtol=1e-4, atol=1e-5)


def test_arithmetic_in_half_precision_begins_behind_the_images():
    layer = ImageNormalization(dtype="mixed_bfloat16")
    expected = keras.ops.cast(PREPARED, "bfloat16")
    found = layer(IMAGES)
    assert keras.backend.standardize_dtype(found.dtype) == "bfloat16"
    np.testing.assert_allclose(
        numpy(keras.ops.cast(found, "float32")),
        numpy(keras.ops.cast(expected, "float32")),
        rtol=2**-7,
        atol=1e-6,
    )


def test_a_size_takes_the_middle():
    wide = np.zeros((1, 8, 16, 3), "uint8")
    wide[:, :, 4:12] = 255
    layer = ImageNormalization([0, 0, 0], [1, 1, 1], size=4, data_format="channels_last")
    assert layer.compute_output_shape(wide.shape) == (1, 4, 4, 3)
    np.testing.assert_allclose(numpy(layer(wide)), np.ones((1, 4, 4, 3)), rtol=1e-5)


def test_wrong_options():
    with pytest.raises(ValueError, match="mean: expected one value for each of 1 channels"):
        small("od_resnet18", in_channels=1, preprocessing=True)
    with pytest.raises(ValueError, match="size: expected"):
        ImageNormalization(size=0)
