"""Sets of safetensors files: the Hub's are read, ours are loaded by the library and resumed."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tests.converter.crafted import every_dtype, special_floats
from weights_converter.arrays.tensor import Tensor
from weights_converter.errors import ConverterError, FileError, UsageError
from weights_converter.formats import read, write_shards

INDEX = "model.safetensors.index.json"
ARRAYS = {f"w{i}": np.full((3, 4), i, "float32") for i in range(7)}  # 48 bytes each


def tensors(arrays=ARRAYS):
    return [Tensor.of(name, array) for name, array in arrays.items()]


def assert_same(found, arrays):
    assert set(found) == set(arrays)
    for name, expected in arrays.items():
        assert found[name].load().tobytes() == expected.tobytes()
        assert found[name].shape == expected.shape


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def theirs(folder, arrays, metadata=None):
    """As `save_pretrained` writes it."""
    names = list(arrays)
    half = len(names) // 2
    files = {"a-1-of-2.safetensors": names[:half], "a-2-of-2.safetensors": names[half:]}
    for file, inside in files.items():
        save_file({name: arrays[name] for name in inside}, folder / file, {"format": "pt"})
    weight_map = {name: file for file, inside in files.items() for name in inside}
    index = {"metadata": {"total_size": 1, **(metadata or {})}, "weight_map": weight_map}
    (folder / INDEX).write_text(json.dumps(index, indent=2))
    return folder / INDEX


def test_reads_sets(tmp_path):
    checkpoint = read(theirs(tmp_path, every_dtype(), {"who": "me"}))
    assert (checkpoint.format, checkpoint.layout) == ("safetensors-index", "torch")
    assert checkpoint.metadata == {"format": "pt", "who": "me"}
    assert_same(checkpoint.tensors, every_dtype())


def test_a_link_within_the_folder_is_followed(tmp_path):
    index = theirs(tmp_path, ARRAYS)
    (tmp_path / "a-1-of-2.safetensors").rename(tmp_path / "blob")
    (tmp_path / "a-1-of-2.safetensors").symlink_to("blob")
    assert_same(read(index).tensors, ARRAYS)


def test_writes_sets(tmp_path):
    arrays = ARRAYS | {"special": special_floats("float64"), "scalar": np.array(2.5)}
    *files, _ = write_shards(tmp_path / INDEX, tensors(arrays), {"who": "h\u00e9"}, 100)
    assert [file.name for file in files] == [
        f"model-{number:05}-of-00005.safetensors" for number in range(1, 6)
    ]
    loaded = {name: array for file in files for name, array in load_file(file).items()}
    assert_same({name: Tensor.of(name, array) for name, array in loaded.items()}, arrays)
    assert all(sum(a.nbytes for a in load_file(file).values()) <= 100 for file in files)
    index = json.loads((tmp_path / INDEX).read_text())
    total = sum(array.nbytes for array in arrays.values())
    assert index["metadata"] == {"who": "h\u00e9", "total_size": total}
    assert {name: tmp_path / file for name, file in index["weight_map"].items()} == {
        name: file for file in files for name in load_file(file)
    }
    checkpoint = read(tmp_path / INDEX)
    assert checkpoint.metadata == {"who": "h\u00e9"}
    assert list(checkpoint.tensors) == list(arrays)
    assert_same(checkpoint.tensors, arrays)


def test_the_same_input_gives_the_same_bytes(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        write_shards(tmp_path / name / INDEX, tensors(), {"x": "y"}, 100)
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


class Killed(BaseException):
    pass


@pytest.mark.parametrize("survives", range(7))
def test_an_interrupted_run_leaves_the_old_set_or_nothing(tmp_path, survives):
    def load(number: int) -> np.ndarray:
        if number >= survives:
            raise Killed
        return ARRAYS[f"w{number}"].copy()

    dying = [Tensor(f"w{i}", "F32", (3, 4), lambda i=i: load(i)) for i in range(7)]
    with pytest.raises(Killed):
        write_shards(tmp_path / INDEX, dying, {}, 100)
    assert not names_in(tmp_path)
    write_shards(tmp_path / INDEX, tensors(), {}, 100)
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(Killed):
        write_shards(tmp_path / INDEX, dying, {}, 100, overwrite=True)
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_a_set_takes_the_place_of_another(tmp_path):
    *old, _ = write_shards(tmp_path / INDEX, tensors(), {}, 100)
    changed = {name: -array for name, array in ARRAYS.items()}
    (tmp_path / "model-of-another-00001-of-00001.safetensors").write_bytes(b"precious")
    *new, _ = write_shards(tmp_path / INDEX, tensors(changed), {}, 200, overwrite=True)
    assert len(new) == 2 and not set(new) & set(old) and not any(f.exists() for f in old)
    assert_same(read(tmp_path / INDEX).tensors, changed)
    assert len(names_in(tmp_path)) == 4


@pytest.mark.parametrize("change", [b"", b"longer", None])
def test_another_file_in_the_place_of_one(tmp_path, change):
    *files, _ = write_shards(tmp_path / INDEX, tensors(), {}, 100)
    (tmp_path / INDEX).unlink()
    files[0].unlink()
    content = files[1].read_bytes()
    other = content[:-1] + b"\1" if change is None else content * bool(change) + change
    files[1].write_bytes(other)
    with pytest.raises(FileError, match=r"model-00002-of-00004\.safetensors exists already"):
        write_shards(tmp_path / INDEX, tensors(), {}, 100)
    assert files[1].read_bytes() == other and not (tmp_path / INDEX).exists()
    new = write_shards(tmp_path / INDEX, tensors(), {}, 100, overwrite=True)
    assert files[1].read_bytes() == other and files[1] not in new
    assert_same(read(tmp_path / INDEX).tensors, ARRAYS)


@pytest.mark.parametrize(
    ("name", "arrays", "most", "fact"),
    [
        (".safetensors.index.json", ARRAYS, 100, "is no index"),
        (INDEX, ARRAYS, 40, "w0 takes 48 bytes, a file may have 40"),
    ],
)
def test_odd_requests(tmp_path, name, arrays, most, fact):
    with pytest.raises(UsageError, match=fact):
        write_shards(tmp_path / name, tensors(arrays), {}, most)
    assert not names_in(tmp_path)


def test_an_index_exists_already(tmp_path):
    (tmp_path / INDEX).write_text("precious")
    with pytest.raises(FileError, match="exists already"):
        write_shards(tmp_path / INDEX, tensors(), {}, 100)
    assert names_in(tmp_path) == [INDEX]


def test_a_missing_file(tmp_path):
    index = theirs(tmp_path, ARRAYS)
    (tmp_path / "a-2-of-2.safetensors").unlink()
    with pytest.raises(FileError, match=r"cannot read .*a-2-of-2.safetensors: No such file"):
        read(index)


def test_a_set_that_was_moved_in_part(tmp_path):
    index = theirs(tmp_path, ARRAYS)
    (tmp_path / "other").mkdir()
    shutil.move(tmp_path / "a-2-of-2.safetensors", tmp_path / "other")
    (tmp_path / "a-2-of-2.safetensors").symlink_to("other/a-2-of-2.safetensors")
    with pytest.raises(ConverterError, match="is a link to another folder") as error:
        read(index)
    assert error.value.help.startswith("put copies of the files into one folder: cp -rL")
