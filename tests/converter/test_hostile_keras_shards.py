"""Indexes of sharded weights that lead elsewhere, or do not agree with their files."""

from __future__ import annotations

import io

import h5py
import numpy as np
import pytest

from tests.converter.archives import KERNEL, sharded, weights
from weights_converter.errors import DamagedError, FileError, RefusedError, UsageError
from weights_converter.formats import read
from weights_converter.formats.isolated.reader import read_isolated

DENSE, CONV = "/layers/dense/vars", "/layers/conv/vars"


@pytest.mark.parametrize("reader", [read, read_isolated])
def test_one_group_in_two_files(tmp_path, reader):
    first, second = io.BytesIO(weights()), io.BytesIO()
    with h5py.File(second, "w") as file:
        file["layers/dense/vars/1"] = KERNEL[0]
        file["layers/dense/vars/10"] = KERNEL[1]
        file["layers/dense/vars/9"] = KERNEL[2]
    index = sharded(tmp_path, {DENSE: ["a.weights.h5", "b.weights.h5"]},
                    a=first.getvalue(), b=second.getvalue())  # fmt: skip
    checkpoint = reader(index)
    assert (checkpoint.format, checkpoint.path) == ("keras-index", index)
    assert list(checkpoint.tensors) == [f"layers/dense/vars/{i}" for i in (0, 1, 9, 10)]
    assert np.array_equal(checkpoint.tensors["layers/dense/vars/0"].load(), KERNEL)
    assert np.array_equal(checkpoint.tensors["layers/dense/vars/9"].load(), KERNEL[2])


def test_the_order_is_that_of_the_index(tmp_path):
    files = {"a": weights(dense=KERNEL), "b": weights(conv=KERNEL)}
    index = sharded(tmp_path, {CONV: "b.weights.h5", DENSE: "a.weights.h5"}, **files)
    assert list(read(index).tensors) == ["layers/conv/vars/0", "layers/dense/vars/0"]


@pytest.mark.parametrize(
    "name", ["../secret.weights.h5", "/etc/x.weights.h5", "a/b.weights.h5", "..", "x\0.weights.h5",
             "C:x.weights.h5", "a\\b.weights.h5"]
)  # fmt: skip
def test_files_elsewhere(tmp_path, name):
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "secret.weights.h5").write_bytes(weights())
    index = sharded(folder, {DENSE: [name, "x.weights.h5"]})
    with pytest.raises(RefusedError, match="which is not a file beside it"):
        read(index)


def test_a_link_to_another_folder(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "secret.h5").write_bytes(weights())
    (folder / "a.weights.h5").symlink_to("../secret.h5")
    with pytest.raises(RefusedError, match="is a link to another folder"):
        read(sharded(folder, {DENSE: "a.weights.h5"}))


def test_a_file_that_is_missing(tmp_path):
    with pytest.raises(FileError, match=r"a\.weights\.h5: No such file"):
        read(sharded(tmp_path, {DENSE: "a.weights.h5"}))


def test_a_file_that_has_more_than_the_index(tmp_path):
    files = {"a": weights(dense=KERNEL, conv=KERNEL)}
    with pytest.raises(RefusedError, match=rf"a.weights.h5 has more than it says: {CONV}"):
        read(sharded(tmp_path, {DENSE: "a.weights.h5"}, **files))


def test_a_file_that_has_less(tmp_path):
    places = {DENSE: "a.weights.h5", CONV: "a.weights.h5"}
    with pytest.raises(RefusedError, match=rf"a.weights.h5 lacks {CONV}"):
        read(sharded(tmp_path, places, a=weights()))


def test_an_array_in_two_files(tmp_path):
    places = {DENSE: ["a.weights.h5", "b.weights.h5"]}
    with pytest.raises(RefusedError, match="two of its files have an array layers/dense/vars/0"):
        read(sharded(tmp_path, places, a=weights(), b=weights(dense=KERNEL * 2)))


@pytest.mark.parametrize(
    "places", ['[]', '{"/a/vars": []}', '{"/a/vars": 3}', '{"/a/vars": [["a"]]}', '"a"',
               '{"/a/vars": ["a.weights.h5", null]}']
)  # fmt: skip
def test_indexes_of_another_form(tmp_path, places):
    path = tmp_path / "x.weights.json"
    path.write_text(f'{{"first": "a.weights.h5", "weight_map": {places}}}')
    with pytest.raises(DamagedError, match=r"no weight_map|gives no file for /a/vars"):
        read(path)


def test_a_name_given_twice(tmp_path):
    index = sharded(tmp_path, {DENSE: "a.weights.h5"}, a=weights())
    index.write_text('{"weight_map": {"a": "a.weights.h5"}, "weight_map": {}}')
    with pytest.raises(RefusedError, match="its index has weight_map twice"):
        read(index)


@pytest.mark.parametrize("end", ["", "}", "]", "{" * 100_000, '"x": ' + "[" * 100_000])
def test_indexes_that_are_no_json(tmp_path, end):
    path = tmp_path / "x.weights.json"
    path.write_text('{"weight_map": {"a": "a.weights.h5"' + end)
    with pytest.raises(DamagedError, match="its index is not JSON"):
        read(path)


def test_a_bomb_beside_a_large_file(tmp_path):
    """The zeros of one file do not hide behind the honest bytes of another."""
    bomb = io.BytesIO()
    with h5py.File(bomb, "w") as file:
        file.create_dataset("layers/conv/vars/0", (1 << 27,), "u1", fillvalue=1)
    files = {"a": weights(dense=np.ones(1 << 22)), "b": bomb.getvalue()}
    places = {DENSE: "a.weights.h5", CONV: "b.weights.h5"}
    with pytest.raises(RefusedError, match=r"b\.weights\.h5 refused: its arrays would take"):
        read(sharded(tmp_path, places, **files))


def test_a_file_that_changes_meanwhile(tmp_path):
    index = sharded(tmp_path, {DENSE: "a.weights.h5"}, a=weights())
    tensor = read(index).tensors["layers/dense/vars/0"]
    (tmp_path / "b.weights.h5").write_bytes(weights(dense=KERNEL[:2]))
    (tmp_path / "b.weights.h5").replace(tmp_path / "a.weights.h5")
    with pytest.raises(DamagedError, match=r"a\.weights\.h5 has changed"):
        tensor.load()


def test_an_optimizer_is_left_out(tmp_path):
    handle = io.BytesIO(weights())
    with h5py.File(handle, "a") as file:
        file["optimizer/vars/0"] = KERNEL
    places = {DENSE: "a.weights.h5", "/optimizer/vars": "a.weights.h5"}
    checkpoint = read(sharded(tmp_path, places, a=handle.getvalue()))
    assert list(checkpoint.tensors) == ["layers/dense/vars/0"]
    assert checkpoint.notes == ("left out 1 arrays of the optimizer",)


def test_there_is_no_key_to_choose(tmp_path):
    with pytest.raises(UsageError, match="there is no key to choose from"):
        read(sharded(tmp_path, {DENSE: "a.weights.h5"}, a=weights()), key="model")
