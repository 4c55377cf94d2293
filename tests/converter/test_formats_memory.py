"""A conversion holds one array in memory, however large the file is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from weights_converter.formats import read, write
from weights_converter.tensor import Tensor

ROOT = Path(__file__).parents[2]
FORMATS = ("torch", "pdparams", "keras-h5", "safetensors")
MIB = 1 << 20


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """96 MiB in arrays of 8, in each format."""
    folder = tmp_path_factory.mktemp("large")
    random = np.random.default_rng(0)
    arrays = [random.integers(0, 255, 8 * MIB, "uint8") for _ in range(12)]
    tensors = [Tensor.of(f"w{i}/vars/0", array) for i, array in enumerate(arrays)]
    for format in FORMATS:
        write(folder / format, format, tensors, {})
    return folder


@pytest.mark.parametrize(
    ("source", "target"), list(zip(FORMATS, FORMATS[1:] + FORMATS[:1], strict=True))
)
def test_peak(large, tmp_path, source, target):
    script = Path(__file__).with_name("copy_and_measure.py")
    command = [sys.executable, script, large / source, tmp_path / "copy", target]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    grown = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert int(grown) < 2 * 8 + 24
    original = read(large / source).tensors
    for name, tensor in read(tmp_path / "copy").tensors.items():
        assert tensor.load().tobytes() == original[name].load().tobytes()
