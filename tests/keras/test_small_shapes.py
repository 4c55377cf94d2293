"""Small shapes at a batch of one, where TensorFlow's oneDNN has ended processes."""

from __future__ import annotations

import keras
import pytest
from small_shapes import sweep


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="oneDNN is TensorFlow's")
def test_small_convolutions_end_well_and_right():
    assert sweep("ours") == []
