"""Sharded weights: complete or not there, and continued where a run was killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.processes import run_process
from weights_converter.arrays.tensor import Tensor
from weights_converter.errors import FileError, UsageError
from weights_converter.formats import read, write_shards

ROOT = Path(__file__).parents[2]
RANDOM = np.random.default_rng(5)
ARRAYS = {f"layers/l{i}/vars/{j}": RANDOM.standard_normal((i + 2, 25)) for i in range(4)
          for j in range(2)}  # fmt: skip
TENSORS = [Tensor.of(name, array) for name, array in ARRAYS.items()]
MOST = 1200  # bytes; the arrays have 400 to 1000


def write(folder, tensors=TENSORS, most=MOST, **options):
    return write_shards(folder / "m.weights.json", tensors, {"a": "b"}, most, **options)


def stamps(folder):
    return {path.name: path.stat().st_mtime_ns for path in sorted(folder.iterdir())}


def test_what_is_written_is_read(tmp_path):
    *files, index = write(tmp_path)
    assert [path.name for path in files] == [f"m_{i:05}.weights.h5" for i in range(len(files))]
    assert index.name == "m.weights.json" and {*files, index} == set(tmp_path.iterdir())
    checkpoint = read(tmp_path / "m.weights.json")
    assert list(checkpoint.tensors) == list(ARRAYS) and checkpoint.metadata == {"a": "b"}
    for name, tensor in checkpoint.tensors.items():
        assert tensor.load().tobytes() == ARRAYS[name].tobytes()
    for file in files:
        assert 0 < sum(tensor.nbytes for tensor in read(file).tensors.values()) <= MOST


def test_the_index_is_as_keras_writes_it(tmp_path):
    write(tmp_path, most=1000)
    index = json.loads((tmp_path / "m.weights.json").read_text())
    assert index["metadata"] == {"total_size": sum(array.nbytes for array in ARRAYS.values())}
    assert index["weight_map"]["/layers/l0/vars"] == ["m_00000.weights.h5"]
    assert index["weight_map"]["/layers/l3/vars"] == ["m_00005.weights.h5", "m_00006.weights.h5"]


def test_the_same_input_gives_the_same_bytes(tmp_path):
    contents = []
    for name in "ab":
        (tmp_path / name).mkdir()
        write(tmp_path / name)
        contents.append({p.name: p.read_bytes() for p in (tmp_path / name).iterdir()})
    assert contents[0] == contents[1]


def test_files_without_an_index_are_left_alone(tmp_path):
    files = write(tmp_path)
    (tmp_path / "m.weights.json").unlink()
    files[0].unlink()
    contents = {file: file.read_bytes() for file in files[1:-1]}
    with pytest.raises(FileError, match=r"m_00001\.weights\.h5 exists already"):
        write(tmp_path)
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == contents
    new = write(tmp_path, overwrite=True)
    assert not set(new) & set(files[1:-1]) and files[0] in new  # which Keras opens first
    assert all(file.read_bytes() == content for file, content in contents.items())
    assert read(tmp_path / "m.weights.json").tensors.keys() == ARRAYS.keys()


def test_a_set_takes_the_place_of_another(tmp_path):
    """Its files have other names; Keras opens the first of the old names, which stays, empty."""
    write(tmp_path)
    changed = [Tensor.of(t.name, -t.load()) for t in TENSORS]
    files = write(tmp_path, changed, most=3000, overwrite=True)
    assert {p.name for p in files} | {"m_00000.weights.h5"} == set(stamps(tmp_path))
    assert not read(tmp_path / "m_00000.weights.h5").tensors
    found = read(tmp_path / "m.weights.json").tensors
    assert all(found[t.name].load().tobytes() == t.load().tobytes() for t in changed)
    assert set(write(tmp_path, overwrite=True)) & set(files) == {tmp_path / "m.weights.json"}
    assert read(tmp_path / "m.weights.json").tensors.keys() == ARRAYS.keys()
    assert not set(files[:-1]) & set(tmp_path.iterdir())


def test_an_index_that_exists_is_kept(tmp_path):
    write(tmp_path)
    before = stamps(tmp_path)
    with pytest.raises(FileError, match=r"m\.weights\.json exists already"):
        write(tmp_path, [*TENSORS, Tensor.of("x/vars/0", np.ones(3))])
    assert stamps(tmp_path) == before


def test_an_interrupted_run_leaves_the_old_set(tmp_path):
    def load():
        raise KeyboardInterrupt

    write(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    changed = [Tensor.of(t.name, -t.load()) for t in TENSORS]
    changed[-1] = replace(changed[-1], load=load)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, changed, overwrite=True)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("name", ["m.json", ".weights.json", "m.npz"])
def test_names_of_no_index(tmp_path, name):
    with pytest.raises(UsageError, match=r"cannot be written as several files|is no index"):
        write_shards(tmp_path / name, TENSORS, {}, MOST)
    assert not list(tmp_path.iterdir())


def test_arrays_that_do_not_fit(tmp_path):
    with pytest.raises(UsageError, match=r"layers/l0/vars/0 takes 400 bytes, a file may have 399"):
        write(tmp_path, most=399)
    with pytest.raises(UsageError, match="two arrays are called layers/l0/vars/0"):
        write(tmp_path, [TENSORS[0], TENSORS[0]])
    with pytest.raises(UsageError, match=r"conv\.weight is not the name of a Keras variable"):
        write(tmp_path, [TENSORS[0].renamed("conv.weight")])
    assert not list(tmp_path.iterdir())


KILLED = """
import os, signal, sys
import numpy as np
from pathlib import Path
from weights_converter.arrays.tensor import Tensor
from weights_converter.formats import write_shards
def tensor(i):
    def load():
        if i == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        return np.full((10,), i, "f4")
    return Tensor(f"l{i}/vars/0", "F32", (10,), load)
write_shards(Path(sys.argv[1]), [tensor(i) for i in range(6)], {}, 80)
"""


def test_what_a_killed_run_left_is_removed_by_the_next(tmp_path):
    index = tmp_path / "m.weights.json"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", KILLED, str(index)]
    killed = subprocess.run([*command, "4"], env=environment, check=False)
    assert killed.returncode == -9
    assert stamps(tmp_path) and all(name.startswith(".") for name in stamps(tmp_path))
    run_process([*command, "9"], env=environment)
    assert [int(t.load()[0]) for t in read(index).tensors.values()] == list(range(6))
    assert not list(tmp_path.glob(".*"))
