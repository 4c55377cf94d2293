"""Reading as a whole: the content of a file decides what it is."""

from __future__ import annotations

import os
import tarfile
import zipfile

import numpy as np
import pytest
import torch

from tests.converter.crafted import special_floats, written
from weights_converter.arrays.tensor import Tensor
from weights_converter.errors import (
    ConverterError,
    DamagedError,
    FileError,
    RefusedError,
    UsageError,
)
from weights_converter.formats import format_of, read, write

FORMATS = ("torch", "pdparams", "keras-h5", "safetensors", "npz")
TENSORS = (
    Tensor.of("b/vars/0", np.arange(6.0).reshape(2, 3)),
    Tensor.of("a/vars/0", special_floats("float32")),
)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", ["weights", "weights.pdparams", "weights.pth"])
def test_the_content_decides_not_the_name(tmp_path, format, name):
    write(tmp_path / name, format, TENSORS, {})
    assert read(tmp_path / name).format == format
    assert set(read(str(tmp_path / name)).tensors) == {"a/vars/0", "b/vars/0"}


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_input_gives_the_same_bytes(tmp_path, format):
    metadata = {"b": "2", "a": "1"}
    for name, given in (("x", metadata), ("y", dict(sorted(metadata.items())))):
        write(tmp_path / name, format, iter(TENSORS), given)
    assert (tmp_path / "x").read_bytes() == (tmp_path / "y").read_bytes()


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("source", FORMATS)
def test_bits_survive_every_pair_of_formats(tmp_path, source, target):
    write(tmp_path / "a", source, TENSORS, {})
    write(tmp_path / "b", target, read(tmp_path / "a").tensors.values(), {})
    tensors = read(tmp_path / "b").tensors
    for expected in TENSORS:
        assert tensors[expected.name].load().tobytes() == expected.load().tobytes()


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("a.pth", "torch"), ("a.pt", "torch"), ("a.pth.tar", "torch"), ("A.BIN", "torch"),
        ("dir.pdparams/a.safetensors", "safetensors"), ("a.pdparams", "pdparams"),
        ("a.weights.h5", "keras-h5"), ("a.npz", "npz"),
    ],
)  # fmt: skip
def test_format_of(name, format):
    assert format_of(name) == format


@pytest.mark.parametrize("name", ["a.h5", "a.tar", "a", "a.npy", "pth", "a.keras", ""])
def test_format_of_other_names(name):
    endings = r"\.npz, \.pth, \.pt, \.pth\.tar, \.bin, \.weights\.h5, \.safetensors, \.pdparams"
    with pytest.raises(UsageError, match=f"expected a destination that ends in {endings}, rec"):
        format_of(name)


def scripted(folder):
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 1), torch.ones(1, 2)), folder / "s.pt")
    return (folder / "s.pt").read_bytes()


def tar(folder):
    with tarfile.open(folder / "t", "w") as file:
        file.add(written(folder, "b.txt", b"x"), "b.txt")
    return (folder / "t").read_bytes()


OTHERS = {
    "empty": (b"", DamagedError, "x is empty"),
    "HTML": (b"\n <!DOCTYPE html><html>", DamagedError, "x looks like an HTML page"),
    "html": (b"\xef\xbb\xbf<html lang", DamagedError, "x looks like an HTML page"),
    "git-lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", DamagedError,
                "x is a git-lfs pointer, not the weights"),
    "text": (b"weights", DamagedError, "x is not a weights file of a known format"),
    "zeros": (bytes(1000), DamagedError, "x is not a weights file of a known format"),
    "TorchScript": (scripted, RefusedError, "x is a TorchScript archive"),
    "tar": (tar, RefusedError, "x is a tar archive with b.txt, not a torch file"),
}  # fmt: skip


@pytest.mark.parametrize("case", OTHERS)
def test_other_files(tmp_path, case):
    content, kind, fact = OTHERS[case]
    path = written(tmp_path, "x", content if isinstance(content, bytes) else content(tmp_path))
    with pytest.raises(ConverterError) as error:
        read(path)
    assert type(error.value) is kind and str(error.value).startswith(fact)
    assert error.value.help


def test_a_zip_of_something_else(tmp_path):
    with zipfile.ZipFile(tmp_path / "x", "w") as file:
        file.writestr("word/document.xml", "x")
    with pytest.raises(RefusedError, match=r"x is a zip archive that torch.save did not write"):
        read(tmp_path / "x")


def test_what_is_no_file(tmp_path):
    for path, fact in (
        (tmp_path, "is a folder"),
        (tmp_path / "missing", "cannot read .*: No such file or directory"),
        ("a\0b", "cannot read .*"),
        ("/dev/zero", "is not a regular file"),
    ):
        with pytest.raises(FileError, match=fact):
            read(path)


def test_a_pipe_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileError, match="is not a regular file"):
        read(tmp_path / "pipe")
