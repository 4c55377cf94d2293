"""HDF5 files that were made to take minutes or gigabytes, each read in a process of its own."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from tests.converter.hostile_hdf5 import FAMILIES
from tests.processes import run_process

ROOT = Path(__file__).parents[2]
SECONDS = 5.0  # of the processor
GROWTH, FREE = 4, 64 << 20  # bytes of memory for each of the file, and besides
READ = """
import re, sys, time
import h5py, numpy
from weights_converter.errors import ConverterError
from weights_converter.formats import read
def peak():  # not getrusage: its maximum starts at the size of the process that forked this one
    return int(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1]) << 10
before, start, fate = peak(), time.process_time(), "read"
try:
    for tensor in read(sys.argv[1]).tensors.values():
        tensor.read()
except ConverterError as error:
    fate = f"{type(error).__name__} {error}"
print(time.process_time() - start, peak() - before, fate)
"""


def measured(path: Path) -> tuple[float, int, str]:
    """(seconds of the processor, bytes of memory, fate)"""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", READ, str(path)]
    result = run_process(command, env=environment, timeout=120)
    seconds, memory, fate = result.stdout.rstrip("\n").split(" ", 2)
    return float(seconds), int(memory), fate


@pytest.mark.parametrize("scale", [1, pytest.param(4, marks=pytest.mark.slow)])
@pytest.mark.parametrize("make", FAMILIES, ids=lambda make: make.__name__)
def test_bounds(tmp_path, make, scale):
    path = tmp_path / "evil.weights.h5"
    make(path, scale)
    seconds, memory, fate = measured(path)
    expected = FAMILIES[make]
    prefix = "" if expected == "read" else r"RefusedError evil\.weights\.h5 "
    assert re.match(prefix + expected, fate), fate
    assert seconds < SECONDS
    assert memory < GROWTH * path.stat().st_size + FREE
