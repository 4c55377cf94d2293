"""All three frameworks share the process of these tests."""

import os

import tests.before_tensorflow  # noqa: F401
from parity_tests.keras_alone import import_keras

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
import_keras()
