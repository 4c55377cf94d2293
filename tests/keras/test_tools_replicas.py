"""`tf.distribute.MirroredStrategy`: several devices in one process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import keras
import pytest

HERE = Path(__file__).parent


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a strategy of TensorFlow")
def test_two_devices_train_as_one():
    """`replicas.py` compares weights, outputs and temperatures."""
    done = subprocess.run(
        [sys.executable, HERE / "replicas.py"],
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
