"""What the reader does to the process, the disk and the memory, seen from outside."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
import sys
import tarfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.converter.crafted import (
    call,
    dict_,
    every_dtype,
    name,
    ndarray,
    pickled,
    safetensors,
    tensor,
    text,
    torch_zip,
    varint,
    written,
)
from tests.converter.crafted_npz import archive, described, npy
from tests.converter.crafted_torch import (
    MAGIC,
    VERSION,
    count,
    legacy,
    legacy_tensor,
    special_member,
    tar,
    tar_tensor,
    tar_tensors,
)
from tests.converter.hostile_folders import fill_keras, fill_tensorflow
from tests.processes import run_process
from weights_converter.arrays.tensor import Tensor
from weights_converter.formats import write

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "odconv4x_mobilenetv2_digits.pth.tar"


def attacks(canary: Path) -> dict[str, tuple[bytes, str]]:
    """File name -> (content, the error that it must meet)."""
    return pickle_attacks(canary) | sized_attacks() | old_attacks(canary) | several_attacks(canary)


def pickle_attacks(canary: Path) -> dict[str, tuple[bytes, str]]:
    system = call("posix", "system", text(f"touch {canary}"))
    code = call("builtins", "eval", text(f"open({str(canary)!r},'w')"), dict_(data=b"N"))
    doubling = b"".join(b"h" + bytes([i, 0x68, i]) + b"\x86q" + bytes([i + 1]) for i in range(150))
    deep = b"}" + b")" + b"\x85" * 200_000 + b"K\x01s"
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
        "lists.pdparams": (pickled(b"]" * 400_000 + b"a" * 399_999), "RefusedError"),
    }


def sized_attacks() -> dict[str, tuple[bytes, str]]:
    """Files that claim to be large."""
    entry = b'{"a":{"dtype":"F32","shape":[%d],"data_offsets":[0,%d]}}'
    zeros = npy(described("'|u1'", shape=f"({1 << 31},)"), bytes(1 << 20))
    description = b"\x08\x05\x10" + varint(2**38)
    return {
        "expand.pth": (torch_zip(pickled(dict_(w=tensor((10**10,), (0,))))), "RefusedError"),
        "huge.safetensors": (safetensors(entry % (1 << 40, 1 << 42)), "DamagedError"),
        "brackets.safetensors": (safetensors(b'{"a":' + b"[" * 5_000_000), "DamagedError"),
        "bomb.npz": (archive(("w.npy", zeros), deflated=True), "RefusedError"),
        "comma.npz": (archive(("w.npy", npy(described("'<f4,(2'")))), "RefusedError"),
        "nested.npz": (archive(("w.npy", npy("(" * 60_000))), "RefusedError"),
        "huge.pdiparams": (
            struct.pack("<IQIi", 0, 0, 0, len(description)) + description, "DamagedError"),
        "huge.legacy": (
            legacy(pickled(dict_(w=legacy_tensor(numel=2**38))), data=count(2**38)),
            "DamagedError"),
        "axes.tar": (
            tar(tensors=tar_tensors(tar_tensor(axes=2**31 - 1))), "RefusedError"),
        "brackets.json": (b'{"a.safetensors":' + b"[" * 5_000_000, "DamagedError"),
    }  # fmt: skip


def old_attacks(canary: Path) -> dict[str, tuple[bytes, str]]:
    """In the pickles of the formats before torch 1.6."""
    system = pickled(call("posix", "system", text(f"touch {canary}")))
    return {
        "content.legacy": (legacy(system), "RefusedError"),
        "keys.legacy": (legacy(keys=system), "RefusedError"),
        "start.legacy": (legacy(start=MAGIC + VERSION + system), "RefusedError"),
        "pickle.tar": (tar(pickle=system), "RefusedError"),
        "tensors.tar": (tar(tensors=system), "RefusedError"),
        "storages.tar": (tar(storages=system), "RefusedError"),
        "link.tar": (tar(special_member("x", tarfile.SYMTYPE, "/etc/passwd")), "RefusedError"),
        "sys_info.tar": (tar(sys_info=system), "read"),  # which is never run
        "object.pth": (
            torch_zip(pickled(dict_(w=tensor(), x=name("os", "system") + b")\x81"))), "read"),
    }  # fmt: skip


def several_attacks(canary: Path) -> dict[str, tuple[bytes, str]]:
    """Files that name other files, or hold Python objects."""
    outside = canary.with_name("outside.safetensors")
    maps = {"absolute": str(outside), "steps": f"../{outside.parent.name}/{outside.name}"}
    indexes = {
        f"{case}.index.json": json.dumps({"weight_map": {"a": file, "b": "x.safetensors"}}).encode()
        for case, file in (maps | {"link": "link"}).items()
    }
    objects = archive(("w.npy", npy(described("'|O'"), b"evil")))
    files = indexes | {"objects.npz": objects}
    return {file_name: (content, "RefusedError") for file_name, content in files.items()}


def fill(folder: Path, canary: Path) -> dict[str, str]:
    """Writes all files, and returns what is to become of each."""
    expected = {}
    for file_name, (content, error) in attacks(canary).items():
        written(folder, file_name, content)
        expected[file_name] = error
    with h5py.File(folder / "bomb.weights.h5", "w") as file:
        file.create_dataset("a/vars/0", (2**31, 16), "f4", chunks=(2**16, 16), compression="gzip")
    expected["bomb.weights.h5"] = "RefusedError"
    expected |= fill_keras(folder, canary) | fill_tensorflow(folder)
    outside = canary.with_name("outside.safetensors")
    write(outside, "safetensors", [Tensor.of("a", np.ones(3))], {})
    (folder / "link").symlink_to(outside)  # to name it is the user's right, not a file's
    expected["link"] = "read"
    tensors = [Tensor.of(f"{name}/vars/0", array) for name, array in every_dtype().items()]
    for format in ("torch", "pdparams", "keras-h5", "safetensors", "npz"):
        write(folder / format, format, tensors, {"a": "b"})
        expected[format] = "read"
    expected["pdparams.manifest.json"] = "DamagedError"  # which belongs to a file, and is none
    (folder / "plain.pdparams").write_bytes(pickle.dumps({"w": np.ones((300, 300))}, 2))
    shutil.copy(EXAMPLE, folder)
    return expected | {"plain.pdparams": "read", EXAMPLE.name: "read"}


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder, canary = tmp_path_factory.mktemp("files"), tmp_path_factory.mktemp("apart") / "canary"
    expected = fill(folder, canary)
    command = [sys.executable, str(Path(__file__).with_name("isolated_reader.py")), str(folder)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = run_process(command, env=environment, timeout=120)
    assert sorted(path.name for path in folder.iterdir()) == sorted(expected)
    return {**json.loads(process.stdout), "expected": expected, "canary": canary}


def test_every_file_meets_its_fate(report):
    outcomes = {name: outcome for name, (outcome, _) in report["outcomes"].items()}
    assert outcomes == report["expected"]


def test_nothing_is_executed_imported_or_opened(report):
    assert report["deeds"] == []
    assert not report["canary"].exists()


DEEDS = """
import os, sys
from pathlib import Path
from tests.converter.watching import Watch
watch = Watch(Path("/inputs"))
with watch:
    open("/dev/null").close()
    os.system("true")
    exec("1")
    import colorsys
    open("/dev/null", "wb").close()
print(*(deed.split()[0] for deed in watch.deeds))
"""


def test_the_watch_sees_what_it_is_for():
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", DEEDS]
    seen = run_process(command, env=environment)
    assert {"open", "os.system", "compile", "exec", "import"} <= set(seen.stdout.split())
    assert seen.stdout.split()[0] == seen.stdout.split()[-1] == "open"


def test_no_framework_is_loaded(report):
    assert report["modules"] == []


def test_memory_and_time_are_bounded(report):
    assert report["peak"] < 200
    assert max(seconds for _, seconds in report["outcomes"].values()) < 5
