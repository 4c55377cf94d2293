""".npz: what NumPy saves is read bit for bit, and NumPy loads what is written."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from tests.converter.crafted import every_dtype
from weights_converter.arrays.tensor import Tensor
from weights_converter.errors import RefusedError, UsageError
from weights_converter.formats import read, write


def arrays() -> dict[str, np.ndarray]:
    kinds = {kind: np.arange(4, dtype=kind) for kind in ("u2", "u4", "u8")}
    base = np.random.default_rng(0).standard_normal((3, 4, 5)).astype("float32")
    views = {"fortran": np.asfortranarray(base), "transposed": base.transpose(2, 0, 1)}
    return every_dtype() | kinds | views | {"big": base.astype(">f4"), "a/b.c": base[::2, 1:]}


def assert_same(tensors, expected):
    assert list(tensors) == list(expected)
    for name, value in expected.items():
        array = tensors[name].load()
        little = value.astype(value.dtype.newbyteorder("<"))
        assert (array.dtype, array.shape) == (little.dtype, value.shape)
        assert array.tobytes() == little.tobytes()
        assert array.flags.c_contiguous and array.flags.writeable


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_reads_what_numpy_saves(tmp_path, save):
    save(tmp_path / "a.npz", **arrays())
    checkpoint = read(tmp_path / "a.npz")
    assert (checkpoint.format, checkpoint.layout, checkpoint.notes) == ("npz", "torch", ())
    assert_same(checkpoint.tensors, arrays())


def test_numpy_loads_what_is_written(tmp_path):
    path = tmp_path / "a.npz"
    write(path, "npz", [Tensor.of(n, a) for n, a in arrays().items()], {"who": "h\u00e9"})
    with np.load(path, allow_pickle=False) as file:
        loaded = {name: file[name] for name in file.files if name != "__metadata__"}
        assert json.loads(file["__metadata__"].item()) == {"who": "h\u00e9"}
    assert_same({name: Tensor.of(name, array) for name, array in loaded.items()}, arrays())
    assert_same(read(path).tensors, arrays())
    assert read(path).metadata == {"who": "h\u00e9"}


def test_data_is_aligned(tmp_path):
    array = np.random.default_rng(0).integers(0, 255, 100, "uint8")
    write(tmp_path / "a.npz", "npz", [Tensor.of(n, array) for n in ("a", "bcd" * 40)], {})
    raw = (tmp_path / "a.npz").read_bytes()
    first = raw.index(array.tobytes())
    assert first % 64 == 0 and raw.index(array.tobytes(), first + 1) % 64 == 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2])
def test_types_without_a_numpy_dtype(tmp_path, dtype):
    value = torch.randn(3, 4).to(dtype)
    torch.save({"w": value}, tmp_path / "a.pth")
    write(tmp_path / "a.npz", "npz", read(tmp_path / "a.pth").tensors.values(), {})
    tensor = read(tmp_path / "a.npz").tensors["w"]
    assert tensor.dtype == read(tmp_path / "a.pth").tensors["w"].dtype
    assert tensor.load().tobytes() == value.view(torch.uint8).numpy().tobytes()
    with np.load(tmp_path / "a.npz") as file:
        bits = torch.from_numpy(file["w"].view("uint8")).view(dtype)
        assert torch.equal(bits.view(torch.uint8), value.view(torch.uint8))


def test_bits_whose_type_nothing_tells_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.ones(2), w=np.zeros(3, "V2"), dtype=np.array("bfloat16"))
    with pytest.raises(RefusedError, match=r"stores w as \|V2, which does not tell its type"):
        read(tmp_path / "a.npz")


def test_text_is_left_out(tmp_path):
    np.savez(tmp_path / "a.npz", w=np.ones(2), classes=np.array(["cat", "dog"]), raw=b"x")
    checkpoint = read(tmp_path / "a.npz")
    assert list(checkpoint.tensors) == ["w"]
    assert checkpoint.notes == ("left out: classes, raw",)


def test_zeros_compress_well(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", w=np.zeros((1000, 1000)))
    assert not read(tmp_path / "a.npz").tensors["w"].load().any()


@pytest.mark.parametrize("name", ["__metadata__", "__dtypes__"])
def test_reserved_names(tmp_path, name):
    with pytest.raises(UsageError, match=f"no place for an array called {name}"):
        write(tmp_path / "a.npz", "npz", [Tensor.of(name, np.ones(2))], {})
    assert not list(tmp_path.iterdir())


def test_there_is_no_key_to_choose(tmp_path):
    np.savez(tmp_path / "a.npz", w=np.ones(2))
    with pytest.raises(UsageError, match="there is no key to choose from"):
        read(tmp_path / "a.npz", key="model")
