"""Files that stay open while many arrays are read, and no longer."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from weights_converter.arrays.tensor import Tensor
from weights_converter.errors import DamagedError, FileError
from weights_converter.formats import read, write
from weights_converter.formats.files.open_files import kept_open

FORMATS = {"pth": "torch", "safetensors": "safetensors", "npz": "npz", "weights.h5": "keras-h5"}


def stored(folder, ending="safetensors", name="x", count=5):
    path = folder / f"{name}.{ending}"
    arrays = {f"a/vars/{index}": np.full(9, index, "f4") for index in range(count)}
    write(path, FORMATS[ending], [Tensor.of(n, a) for n, a in arrays.items()], {})
    return path


def handles(path):
    """How many descriptors of this process are of the file."""
    found = 0
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found += os.path.samestat(entry.stat(), path.stat())
        except FileNotFoundError:  # the descriptor of this listing
            continue
    return found


@pytest.mark.parametrize("ending", FORMATS)
def test_a_file_is_open_for_as_long_as_its_arrays_are_read(tmp_path, ending):
    path = stored(tmp_path, ending)
    checkpoint = read(path)
    assert handles(path) == 0
    with kept_open():
        for index, tensor in enumerate(checkpoint.tensors.values()):
            assert np.array_equal(tensor.load(), np.full(9, index, "f4"))
            assert handles(path) == 1
    assert handles(path) == 0
    next(iter(checkpoint.tensors.values())).load()
    assert handles(path) == 0


def test_it_is_closed_after_an_error(tmp_path):
    path = stored(tmp_path)
    tensor = read(path).tensors["a/vars/0"]
    with pytest.raises(KeyError), kept_open():
        tensor.load()
        raise KeyError
    assert handles(path) == 0


@pytest.mark.parametrize("ending", FORMATS)
def test_a_change_is_noticed_while_it_is_open(tmp_path, ending):
    path = stored(tmp_path, ending)
    first, second, *_ = read(path).tensors.values()
    with kept_open():
        first.load()
        os.utime(path, (1, 1))
        with pytest.raises(DamagedError, match="has changed while it was being read"):
            second.load()


def test_a_file_that_is_replaced_is_read_to_its_end(tmp_path):
    path, other = stored(tmp_path), stored(tmp_path, name="y", count=3)
    first, second, *_ = read(path).tensors.values()
    with kept_open():
        first.load()
        other.replace(path)
        assert np.array_equal(second.load(), np.full(9, 1, "f4"))
    with pytest.raises(DamagedError, match="has changed"):
        second.load()


def test_few_of_many_files_are_open_together(tmp_path):
    paths = [stored(tmp_path, name=f"x{index}") for index in range(9)]
    tensors = [read(path).tensors["a/vars/0"] for path in paths]
    with kept_open():
        for tensor in [*tensors, *tensors]:
            tensor.load()
            assert sum(map(handles, paths)) <= 4
    assert sum(map(handles, paths)) == 0


def test_a_file_that_cannot_be_opened_is_not_kept(tmp_path):
    path = stored(tmp_path)
    tensor = read(path).tensors["a/vars/0"]
    path.rename(tmp_path / "y")
    with kept_open():
        with pytest.raises(FileError, match="cannot read"):
            tensor.load()
        (tmp_path / "y").rename(path)
        assert np.array_equal(tensor.load(), np.zeros(9, "f4"))
