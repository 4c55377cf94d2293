"""`tf.distribute.MirroredStrategy`: several devices in one process."""

from __future__ import annotations

import sys
from pathlib import Path

import keras
import pytest

from tests.processes import run_process

HERE = Path(__file__).parent


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a strategy of TensorFlow")
def test_two_devices_train_as_one():
    """`replicas.py` compares weights, outputs and temperatures."""
    run_process(
        [sys.executable, HERE / "replicas.py"],
        cwd=HERE.parents[1],
        timeout=300,
    )
