"""A conversion holds one array in memory, however large the file is."""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.converter.crafted import dict_, pickled, tensor, text, torch_zip
from tests.converter.crafted_torch import count, legacy, legacy_tensor, listed
from tests.processes import run_process
from tests.quick import quick_rows
from weights_converter.arrays.tensor import Tensor
from weights_converter.formats import read, write, write_shards

ROOT = Path(__file__).parents[2]
FORMATS = ("torch", "pdparams", "keras-h5", "safetensors", "npz")
INDEX = "x.safetensors.index.json"
MIB = 1 << 20


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """64 MiB in arrays of 8, in each format."""
    folder = tmp_path_factory.mktemp("large")
    random = np.random.default_rng(0)
    arrays = [random.integers(0, 255, 8 * MIB, "uint8") for _ in range(8)]
    tensors = [Tensor.of(f"w{i}/vars/0", array) for i, array in enumerate(arrays)]
    for format in FORMATS:
        write(folder / format, format, tensors, {})
    (folder / "legacy").write_bytes(legacy_stream([t.name for t in tensors], arrays))
    (folder / "far apart").write_bytes(
        torch_zip(
            pickled(dict_(w=tensor((60,), (MIB,), numel=60 * MIB, storage="ByteStorage"))),
            {"0": bytes(60 * MIB)},
        )
    )
    named = {tensor.name: array for tensor, array in zip(tensors, arrays, strict=True)}
    (folder / "protocol 2").write_bytes(pickle.dumps(named, 2))
    write_shards(folder / INDEX, tensors, {}, 20 * MIB)
    return folder


def legacy_stream(names, arrays):
    views = {
        name: legacy_tensor(key=str(i), numel=8 * MIB, storage="ByteStorage", shape=8 * MIB)
        for i, name in enumerate(names)
    }
    keys = range(len(names))
    data = b"".join(count(8 * MIB) + arrays[i].tobytes() for i in keys)
    return legacy(pickled(dict_(**views)), listed(*(text(str(i)) for i in keys)), data)


PAIRS = [
    *zip(FORMATS, FORMATS[1:] + FORMATS[:1], strict=True),
    ("legacy", "torch"),
    ("far apart", "torch"),
    ("protocol 2", "pdparams"),
    (INDEX, "npz"),
]
OFTEN = [("torch", "pdparams"), ("pdparams", "keras-h5"), ("legacy", "torch"), (INDEX, "npz")]


@pytest.mark.parametrize(("source", "target"), quick_rows(OFTEN, PAIRS))
def test_peak(large, tmp_path, source, target):
    script = Path(__file__).with_name("copy_and_measure.py")
    command = [sys.executable, script, large / source, tmp_path / "copy", target]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    grown = run_process(command, env=environment).stdout
    assert int(grown) < 2 * 8 + 24
    original = read(large / source).tensors
    for name, copied in read(tmp_path / "copy").tensors.items():
        assert copied.load().tobytes() == original[name].load().tobytes()
