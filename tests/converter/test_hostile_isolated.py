"""What the reader does to the process, the disk and the memory, seen from outside."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.converter.crafted import (
    call,
    dict_,
    every_dtype,
    ndarray,
    pickled,
    safetensors,
    tensor,
    text,
    torch_zip,
    written,
)
from weights_converter.formats import write
from weights_converter.tensor import Tensor

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "odconv4x_mobilenetv2_digits.pth.tar"


def attacks(canary: Path) -> dict[str, tuple[bytes, str]]:
    """File name -> (content, the error that it must meet)."""
    system = call("posix", "system", text(f"touch {canary}"))
    code = call("builtins", "eval", text(f"open({str(canary)!r},'w')"), dict_(data=b"N"))
    doubling = b"".join(b"h" + bytes([i, 0x68, i]) + b"\x86q" + bytes([i + 1]) for i in range(150))
    deep = b"}" + b")" + b"\x85" * 200_000 + b"K\x01s"
    entry = b'{"a":{"dtype":"F32","shape":[%d],"data_offsets":[0,%d]}}'
    return {
        "system.pdparams": (pickled(dict_(w=ndarray(np.ones(3)), x=system)), "RefusedError"),
        "eval.pdparams": (pickled(dict_(w=code)), "RefusedError"),
        "system.pth": (torch_zip(pickled(dict_(w=tensor(), x=system))), "RefusedError"),
        "deep.pdparams": (pickled(deep), "RefusedError"),
        "deep.pth": (torch_zip(pickled(deep)), "RefusedError"),
        "memo.pdparams": (pickled(b"Nr" + struct.pack("<I", 0x0FFFFFFF)), "DamagedError"),
        "laughs.pdparams": (pickled(b"]q\x00" + doubling), "DamagedError"),
        "announced.pdparams": (pickled(b"\x8e" + struct.pack("<Q", 1 << 40)), "DamagedError"),
        "endless.pdparams": (pickled(b"}" * 2_000_000), "RefusedError"),
        "lists.pdparams": (pickled(b"]" * 400_000 + b"a" * 399_999), "DamagedError"),
        "expand.pth": (torch_zip(pickled(dict_(w=tensor((10**10,), (0,))))), "RefusedError"),
        "huge.safetensors": (safetensors(entry % (1 << 40, 1 << 42)), "DamagedError"),
        "brackets.safetensors": (safetensors(b'{"a":' + b"[" * 5_000_000), "DamagedError"),
    }


def fill(folder: Path, canary: Path) -> dict[str, str]:
    expected = {}
    for file_name, (content, error) in attacks(canary).items():
        written(folder, file_name, content)
        expected[file_name] = error
    with h5py.File(folder / "bomb.weights.h5", "w") as file:
        file.create_dataset("a/vars/0", (2**31, 16), "f4", chunks=(2**16, 16), compression="gzip")
    expected["bomb.weights.h5"] = "RefusedError"
    tensors = [Tensor.of(f"{name}/vars/0", array) for name, array in every_dtype().items()]
    for format in ("torch", "pdparams", "keras-h5", "safetensors"):
        write(folder / format, format, tensors, {"a": "b"})
        expected[format] = "read"
    (folder / "plain.pdparams").write_bytes(pickle.dumps({"w": np.ones((300, 300))}, 2))
    shutil.copy(EXAMPLE, folder)
    return expected | {"plain.pdparams": "read", EXAMPLE.name: "read"}


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder, canary = tmp_path_factory.mktemp("files"), tmp_path_factory.mktemp("apart") / "canary"
    expected = fill(folder, canary)
    command = [sys.executable, str(Path(__file__).with_name("isolated_reader.py")), str(folder)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert process.returncode == 0, process.stderr
    assert sorted(path.name for path in folder.iterdir()) == sorted(expected)
    return {**json.loads(process.stdout), "expected": expected, "canary": canary}


def test_every_file_meets_its_fate(report):
    outcomes = {name: outcome for name, (outcome, _) in report["outcomes"].items()}
    assert outcomes == report["expected"]


def test_nothing_is_executed_imported_or_opened(report):
    assert report["deeds"] == []
    assert not report["canary"].exists()


def test_no_framework_is_loaded(report):
    assert report["modules"] == []


def test_memory_and_time_are_bounded(report):
    assert report["peak"] < 200
    assert max(seconds for _, seconds in report["outcomes"].values()) < 5
