"""A network takes a batch without samples, where Keras' own layers do."""

import keras
import pytest

from tests.empty_batch import test_an_empty_batch  # noqa: F401  # pytest finds it here

pytestmark = pytest.mark.skipif(
    keras.backend.backend() == "tensorflow",
    reason="of a batch of none keras.layers.Conv2D gives the input back, as its shape shows",
)
