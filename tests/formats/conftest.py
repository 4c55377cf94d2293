"""All three frameworks share the process of these tests."""

import os

import paddle  # noqa: F401  first: its import crashes once TensorFlow is loaded

from parity_tests.keras_alone import import_keras

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
import_keras()
