"""Writing as a whole: a destination is complete and right, or it is as it was."""

from __future__ import annotations

import os
import stat
import threading
import zipfile

import numpy as np
import pytest

from tests.converter.crafted import written
from weights_converter.arrays.dtypes import CARRIERS
from weights_converter.arrays.tensor import Tensor
from weights_converter.errors import (
    DamagedError,
    FileError,
    MismatchError,
    UsageError,
)
from weights_converter.formats import read, write
from weights_converter.formats.archives import zip_records as zr
from weights_converter.formats.archives.zip_read import directory
from weights_converter.formats.archives.zip_write import ZipWriter
from weights_converter.formats.destination import Destination
from weights_converter.formats.files.atomic import replacing
from weights_converter.formats.files.source import Source
from weights_converter.formats.table import format_called

FORMATS = ("torch", "pdparams", "keras-h5", "safetensors", "npz")
TENSORS = (
    Tensor.of("b/vars/0", np.arange(6.0).reshape(2, 3)),
    Tensor.of("a/vars/0", np.ones(4, "float32")),
)


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_that_changes_meanwhile(tmp_path, format):
    before, after = (Tensor.of("b/vars/0", np.ones(size)) for size in (1000, 2000))
    write(tmp_path / "x", format, [before], {})
    tensor = read(tmp_path / "x").tensors["b/vars/0"]
    write(tmp_path / "x", format, [after], {}, overwrite=True)
    with pytest.raises(DamagedError, match="x has changed while it was being read"):
        tensor.load()


@pytest.mark.parametrize("format", FORMATS)
def test_an_existing_file_is_kept(tmp_path, format):
    path = written(tmp_path, "x", b"precious")
    with pytest.raises(FileError, match="x exists already") as error:
        write(path, format, TENSORS, {})
    assert error.value.help == "pass --overwrite to replace it"
    assert path.read_bytes() == b"precious" and list(tmp_path.iterdir()) == [path]
    write(path, format, TENSORS, {}, overwrite=True)
    assert read(path).format == format and list(tmp_path.iterdir()) == [path]


class Interruption(BaseException):
    pass


@pytest.mark.parametrize("error", [Interruption, KeyboardInterrupt, MismatchError("x"), OSError])
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("exists", [False, True])
def test_nothing_is_left_of_a_broken_write(tmp_path, format, error, exists):
    def load():
        raise error

    path = tmp_path / "x"
    if exists:
        path.write_bytes(b"precious")
    expected = FileError if error is OSError else error if isinstance(error, type) else type(error)
    with pytest.raises(expected):
        write(path, format, [*TENSORS, Tensor("z/vars/0", "F32", (2,), load)], {}, overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == (["x"] if exists else [])
    assert not exists or path.read_bytes() == b"precious"


def test_folders_that_do_not_do(tmp_path):
    with pytest.raises(FileError, match="its folder does not exist"):
        write(tmp_path / "a" / "x", "torch", TENSORS, {})
    with pytest.raises(FileError, match="it is a folder"):
        write(tmp_path, "torch", TENSORS, {}, overwrite=True)


def test_a_full_disk_is_an_error_of_ours(tmp_path):
    """/dev/full takes no byte; the part file is made to be it."""
    with pytest.raises(FileError, match=r"cannot write .*: No space left on device"):  # noqa: SIM117
        with replacing(tmp_path / "x") as part:
            part.unlink()
            part.symlink_to("/dev/full")
            part.write_bytes(b"x")
    assert not list(tmp_path.iterdir())


def test_somebody_faster_wins(tmp_path):
    with pytest.raises(FileError, match="x exists already"):  # noqa: SIM117
        with replacing(tmp_path / "x") as part:
            part.write_bytes(b"ours")
            (tmp_path / "x").write_bytes(b"theirs")
    assert (tmp_path / "x").read_bytes() == b"theirs" and len(list(tmp_path.iterdir())) == 1


def test_the_umask_applies(tmp_path):
    previous = os.umask(0o027)
    try:
        write(tmp_path / "x", "torch", TENSORS, {})
    finally:
        os.umask(previous)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o640


def test_writers_do_not_meet(tmp_path):
    def work(name):
        for _ in range(20):
            write(tmp_path / name, "safetensors", TENSORS, {}, overwrite=True)

    threads = [threading.Thread(target=work, args=("x",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [p.name for p in tmp_path.iterdir()] == ["x"] and len(read(tmp_path / "x").tensors) == 2


@pytest.mark.parametrize("format", FORMATS)
def test_one_array_is_loaded_at_a_time(tmp_path, format):
    order = []
    tensors = [
        Tensor(f"t{i}/vars/0", "F32", (2,), lambda i=i: order.append(i) or np.ones(2, "float32"))
        for i in range(3)
    ]
    write(tmp_path / "x", format, tensors, {})
    assert order == [0, 1, 2]


def test_odd_requests(tmp_path):
    with pytest.raises(UsageError, match="unknown format onnx"):
        write(tmp_path / "x", "onnx", TENSORS, {})
    with pytest.raises(UsageError, match="two arrays are called b/vars/0"):
        write(tmp_path / "x", "torch", [TENSORS[0], TENSORS[0]], {})
    assert not list(tmp_path.iterdir())


def test_tensors_in_memory():
    array = np.arange(6, dtype=">i2").reshape(2, 3).T
    tensor = Tensor.of("x", array)
    assert (tensor.dtype, tensor.shape, tensor.nbytes) == ("I16", (3, 2), 12)
    loaded = tensor.load()
    assert loaded.dtype == CARRIERS["I16"] and np.array_equal(loaded, array)
    loaded[:] = 0
    assert np.array_equal(tensor.load(), array)
    assert tensor.renamed("y").name == "y"
    for odd, tag in ((np.zeros(2, "V3"), None), (np.zeros(2, "f4"), "BF16")):
        with pytest.raises(MismatchError, match="does not carry"):
            Tensor.of("x", odd, tag)


def test_storages_are_aligned(tmp_path):
    write(tmp_path / "x", "torch", TENSORS, {"a": "b"})
    raw = (tmp_path / "x").read_bytes()
    for tensor in TENSORS:
        assert raw.index(tensor.load().tobytes()) % 64 == 0


def test_archives_past_four_gigabytes(tmp_path):
    """The file has a hole of five gigabytes before its first entry."""
    hole = 5 << 30
    with (tmp_path / "big.zip").open("wb") as handle:
        handle.seek(hole)
        writer = ZipWriter(handle)
        writer._place = hole
        writer.add("archive/a", b"first")
        writer.add("archive/b", b"second")
        writer.close()
    with zipfile.ZipFile(tmp_path / "big.zip") as file:
        assert file.read("archive/b") == b"second" and file.testzip() is None
        assert file.getinfo("archive/a").header_offset == hole
    (tmp_path / "big.zip").unlink()


def test_archives_of_many_entries(tmp_path):
    count = zr.SATURATED_16 + 5
    with (tmp_path / "x").open("wb") as handle:
        writer = ZipWriter(handle)
        for i in range(count):
            writer.add(f"archive/{i}", b"")
        writer.close()
    with zipfile.ZipFile(tmp_path / "x") as file:
        names = file.namelist()
    assert len(names) == count
    assert [entry.name for entry in directory(Source.at(tmp_path / "x"))] == names


@pytest.mark.parametrize("format", FORMATS)
def test_the_disk_works_while_the_file_is_read_back(tmp_path, format, monkeypatch):
    started, fsync = threading.Event(), os.fsync

    def told(descriptor):
        started.set()
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", told)
    target = Destination(tmp_path / "x", format_called(format))
    with target.open(TENSORS, {}) as staged:
        for tensor in TENSORS:
            staged.add(tensor, tensor.load())
        path = staged.close({})
        assert started.wait(20) and set(read(path).tensors) == {"a/vars/0", "b/vars/0"}
        staged.place()
    assert read(tmp_path / "x").format == format


@pytest.mark.parametrize("format", FORMATS)
def test_a_disk_that_fails_at_last(tmp_path, format, monkeypatch):
    def fails(descriptor):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(FileError, match=r"cannot write .*x: Input/output error"):
        write(tmp_path / "x", format, TENSORS, {})
    assert not list(tmp_path.iterdir())
