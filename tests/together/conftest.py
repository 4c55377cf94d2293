"""Several frameworks in one process."""

from __future__ import annotations

import os

import paddle  # noqa: F401  # before TensorFlow: behind it, the import of Paddle crashes the process

from parity_tests.keras_alone import import_keras

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
import_keras()
