"""Confined processes that crash, hang, eat memory, or lie, as one taken over by its file may."""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import threading

import h5py
import numpy as np
import pytest

from tests.converter.crafted import every_dtype
from tests.converter.watching import children
from weights_converter.arrays.tensor import Tensor
from weights_converter.errors import DamagedError, FileError, RefusedError, UsageError
from weights_converter.formats import read, write, write_shards
from weights_converter.formats.isolated import process as isolated_process
from weights_converter.formats.isolated.reader import read_isolated

FORMATS = ("torch", "pdparams", "keras-h5", "safetensors")


def stored(folder, format="keras-h5", **arrays):
    tensors = [Tensor.of(f"{name}/vars/0", array) for name, array in arrays.items()]
    write(folder / "x", format, tensors, {"a": "b"})
    return folder / "x"


def facts(checkpoint):
    """Everything but the arrays."""
    return {name: value for name, value in vars(checkpoint).items() if name != "tensors"}


@pytest.mark.parametrize("name", ["x.weights.json", "x.safetensors.index.json"])
def test_a_set_tells_of_its_files(tmp_path, name):
    """By which a conversion knows what it must not write over."""
    tensors = [Tensor.of(f"a/{i}/vars/0", np.ones(9)) for i in range(3)]
    write_shards(tmp_path / name, tensors, {"a": "b"}, 80)
    checkpoint = read_isolated(tmp_path / name)
    assert facts(checkpoint) == facts(read(tmp_path / name))
    assert len(checkpoint.files) == 3


@pytest.mark.parametrize("format", FORMATS)
def test_the_result_is_that_of_read(tmp_path, format):
    path = stored(tmp_path, format, **every_dtype())
    plain, isolated = read(path), read_isolated(path)
    assert facts(isolated) == facts(plain)
    assert list(isolated.tensors) == list(plain.tensors)
    for name, tensor in reversed(plain.tensors.items()):
        other = isolated.tensors[name]
        assert (other.dtype, other.shape) == (tensor.dtype, tensor.shape)
        array = other.read()
        assert array.tobytes() == tensor.load().tobytes()
        assert array.flags.writeable and other.load() is not array


@pytest.mark.parametrize(
    ("content", "error"),
    [(b"", DamagedError), (b"\x89HDF\r\n\x1a\n" + bytes(99), DamagedError), (None, FileError)],
)
def test_the_errors_are_those_of_read(tmp_path, content, error):
    if content is not None:
        (tmp_path / "x").write_bytes(content)
    found = []
    for reader in (read, read_isolated):
        with pytest.raises(error) as raised:
            reader(tmp_path / "x")
        found.append((str(raised.value), raised.value.help))
    assert found[0] == found[1]


def test_refusals(tmp_path):
    with h5py.File(tmp_path / "x", "w") as file:
        file["a/vars/0"] = h5py.SoftLink("/b")
    with pytest.raises(RefusedError, match="x refused: /a/vars/0 is a SoftLink"):
        read_isolated(tmp_path / "x")


def test_an_error_in_one_array_does_not_end_the_process(tmp_path):
    with h5py.File(tmp_path / "x", "w") as file:
        flags = file.create_dataset("a/vars/0", data=np.array([True, False]))
        flags.id.write(h5py.h5s.ALL, h5py.h5s.ALL, np.array([0, 2], "i1"), flags.id.get_type())
        file["b/vars/0"] = np.ones(3)
    tensors = read_isolated(tmp_path / "x").tensors
    for _ in range(2):
        with pytest.raises(RefusedError, match="a/vars/0 stores the boolean 2"):
            tensors["a/vars/0"].load()
        assert tensors["b/vars/0"].load().sum() == 3


def test_the_key_arrives(tmp_path):
    path = stored(tmp_path, a=np.ones(2))
    for key in ("model", "", "-x"):
        with pytest.raises(UsageError, match="there is no key to choose from"):
            read_isolated(path, key)


def test_the_process_ends_with_the_last_tensor(tmp_path):
    before = children()
    checkpoint = read_isolated(stored(tmp_path, a=np.ones(2)))
    tensor = checkpoint.tensors["a/vars/0"]
    assert len(children() - before) == 1
    del checkpoint
    assert tensor.load().sum() == 2
    del tensor
    gc.collect()
    assert not children() - before


def test_many_threads_may_ask(tmp_path):
    arrays = {f"l{i}": np.full((100, 100), float(i)) for i in range(16)}
    tensors = read_isolated(stored(tmp_path, **arrays)).tensors
    wrong = []

    def work():
        for name, array in arrays.items():
            if not np.array_equal(tensors[f"{name}/vars/0"].load(), array):
                wrong.append(name)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_small_limit_of_memory(tmp_path):
    path = stored(tmp_path, a=np.ones(1 << 23))  # 64 MiB
    with pytest.raises(RefusedError, match="x refused: a/vars/0 has 67108864 bytes") as error:
        read_isolated(path, memory=50 << 20).tensors["a/vars/0"].load()
    assert error.value.help == "allow it more memory"
    assert read_isolated(path, memory=160 << 20).tensors["a/vars/0"].load().sum() == 1 << 23


def test_memory_that_runs_out_within_the_process(tmp_path):
    """The bytes of this array have to be turned, which takes it twice."""
    with h5py.File(tmp_path / "x", "w") as file:
        file.create_dataset("a/vars/0", data=np.ones(1 << 23, ">f8"), chunks=(1 << 20,))
    tensor = read_isolated(tmp_path / "x", memory=100 << 20).tensors["a/vars/0"]
    with pytest.raises(RefusedError, match="x refused: reading it takes more memory than"):
        tensor.load()


@pytest.mark.parametrize(
    "limit",
    [
        {"seconds": 0},
        {"seconds": -1},
        {"seconds": float("nan")},
        {"seconds": 1e99},
        {"memory": 0},
        {"memory": 2**70},
    ],
)
def test_limits_out_of_reason(tmp_path, limit):
    with pytest.raises(UsageError, match="expected limits above 0"):
        read_isolated(stored(tmp_path, a=np.ones(2)), **limit)


def test_names_with_nul():
    with pytest.raises(FileError, match="cannot start a process"):
        read_isolated("a\0b")


def test_the_process_is_confined(tmp_path, monkeypatch):
    """It says what it may do: no environment, no files written, no other processes."""
    monkeypatch.setenv("SECRET", "x")
    monkeypatch.setattr(isolated_process, "PROGRAM", CONFESSING)
    with pytest.raises(UsageError) as error:
        read_isolated(stored(tmp_path, a=np.ones(2)), seconds=30, memory=1 << 28)
    said = json.loads(str(error.value))
    assert said["limits"] == {"FSIZE": 0, "CORE": 0, "NPROC": 0, "NOFILE": 64}
    assert said["memory"] < 2 << 30 and said["cpu"] <= 32 and said["isolated"] == 1
    assert "SECRET" not in said["environment"] and "HOME" not in said["environment"]
    assert said["write"] == "File too large"


CONFESSING = """
import sys; arguments = sys.argv[5:]; sys.path[:] = arguments; del sys.argv[5:]
import json, os, resource, signal
from pathlib import Path
from weights_converter.errors import UsageError
from weights_converter.formats.isolated import child as isolated_child
path = sys.argv[1]
def read(*_):
    names = ("FSIZE", "CORE", "NPROC", "NOFILE")
    limits = {n: resource.getrlimit(getattr(resource, f"RLIMIT_{n}"))[0] for n in names}
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        Path(path + ".more").write_bytes(b"x")
        written = "written"
    except OSError as error:
        written = error.strerror
    raise UsageError(json.dumps({
        "limits": limits, "write": written, "environment": list(os.environ),
        "memory": resource.getrlimit(resource.RLIMIT_AS)[0], "isolated": sys.flags.isolated,
        "cpu": resource.getrlimit(resource.RLIMIT_CPU)[0]}))
isolated_child.read = read
isolated_child.main()
"""


def test_a_loop_is_ended_even_if_nobody_waits(tmp_path):
    """Its own limit of processor time ends a process whose parent is gone."""
    code = isolated_process.PROGRAM.replace("main()", "_limit_time(0.5)\nwhile True: pass")
    code = code.replace("import main", "import _limit_time")
    arguments = [sys.executable, "-I", "-c", code, "", "", "1", "1", *filter(None, sys.path)]
    pid = os.posix_spawn(sys.executable, arguments, {"OMP_NUM_THREADS": "1"})
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGXCPU


def test_the_limits_of_the_user_are_kept(tmp_path, monkeypatch):
    code = isolated_process.PROGRAM.replace("import sys;", "import sys, resource;", 1)
    limited = "resource.setrlimit(resource.RLIMIT_CPU, (5, 5)); "
    limited += "resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32)); "
    monkeypatch.setattr(isolated_process, "PROGRAM", code.replace("main()", f"{limited}main()"))
    assert read_isolated(stored(tmp_path, a=np.ones(2))).tensors["a/vars/0"].load().sum() == 2


def test_a_system_without_such_limits(tmp_path, monkeypatch):
    code = isolated_process.PROGRAM.replace("import sys;", "import sys, resource;", 1)
    limited = "resource.RLIMIT_AS = 99; "
    monkeypatch.setattr(isolated_process, "PROGRAM", code.replace("main()", f"{limited}main()"))
    with pytest.raises(UsageError, match="this system cannot confine a process"):
        read_isolated(stored(tmp_path, a=np.ones(2)))
