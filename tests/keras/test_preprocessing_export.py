"""A SavedModel that takes the images of a file."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from helpers import run
from small import small

from odconv_keras import ImageNormalization

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 33, 40, 3), "uint8")


# A SavedModel is TensorFlow's: the other backends have none to load.
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a SavedModel is TensorFlow's")
def test_an_exported_model_takes_whole_numbers(tmp_path):
    import tensorflow as tf

    model = small("od_resnet18", preprocessing=ImageNormalization(size=32))
    signature = [keras.InputSpec(shape=(None, None, None, 3), dtype="uint8")]
    model.export(tmp_path / "m", input_signature=signature, verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "m"))  # its variables live as long as it does
    served = loaded.serve(tf.constant(IMAGES))
    np.testing.assert_allclose(served.numpy(), run(model, IMAGES), rtol=1e-4, atol=1e-5)
