"""safetensors: the library reads what is written, and the other way round."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import save_file
from safetensors.torch import load_file
from safetensors.torch import save_file as save_torch

from tests.converter.crafted import every_dtype, safetensors, written
from weights_converter.arrays.tensor import Tensor
from weights_converter.errors import MismatchError, UsageError
from weights_converter.formats import read, write
from weights_converter.formats.destination import Destination


def assert_same(tensors, arrays):
    assert set(tensors) == set(arrays)
    for name, expected in arrays.items():
        array = tensors[name].load()
        assert (array.dtype, array.shape) == (expected.dtype, expected.shape)
        assert array.tobytes() == expected.tobytes()
        assert array.flags.c_contiguous and array.flags.writeable


def test_reads_what_the_library_writes(tmp_path):
    arrays = every_dtype() | {kind: np.arange(4, dtype=kind) for kind in ("u2", "u4", "u8")}
    save_file(arrays, tmp_path / "a.safetensors", {"who": "h\u00e9"})
    checkpoint = read(tmp_path / "a.safetensors")
    assert (checkpoint.format, checkpoint.layout) == ("safetensors", "torch")
    assert checkpoint.metadata == {"who": "h\u00e9"}
    assert_same(checkpoint.tensors, arrays)


def test_the_library_reads_what_is_written(tmp_path):
    arrays = every_dtype()
    path = tmp_path / "a.safetensors"
    write(path, "safetensors", [Tensor.of(n, a) for n, a in arrays.items()], {"who": "h\u00e9"})
    with safe_open(path, "np") as file:
        assert file.metadata() == {"who": "h\u00e9"}
        loaded = {name: Tensor.of(name, file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
    assert_same(loaded, arrays)
    assert_same(read(path).tensors, arrays)


def test_the_bytes_are_those_of_the_library(tmp_path):
    arrays = {str(a.dtype): a for a in every_dtype().values() if a.ndim == 3}
    save_file(arrays, tmp_path / "theirs.safetensors", {"a": "1"})
    tensors = [Tensor.of(name, array) for name, array in arrays.items()]
    write(tmp_path / "ours.safetensors", "safetensors", tensors[::-1], {"a": "1"})
    ours, theirs = ((tmp_path / f"{n}.safetensors").read_bytes() for n in ("ours", "theirs"))
    assert ours == theirs


def test_types_without_a_numpy_dtype(tmp_path):
    state = {
        "b": torch.randn(3, 4).bfloat16(),
        "e4": torch.randn(3, 4).to(torch.float8_e4m3fn),
        "e5": torch.randn(3, 4).to(torch.float8_e5m2),
    }
    save_torch(state, tmp_path / "a.safetensors")
    tensors = read(tmp_path / "a.safetensors").tensors
    assert {n: t.dtype for n, t in tensors.items()} == {
        "b": "BF16",
        "e4": "F8_E4M3",
        "e5": "F8_E5M2",
    }
    write(tmp_path / "b.safetensors", "safetensors", tensors.values(), {})
    loaded = load_file(tmp_path / "b.safetensors")
    for name, value in state.items():
        assert loaded[name].dtype == value.dtype
        assert torch.equal(loaded[name].view(torch.uint8), value.view(torch.uint8))


def test_arrays_in_any_order_are_written_right(tmp_path):
    """The library's own writer stores other values for these."""
    base = np.random.default_rng(0).standard_normal((3, 4, 5)).astype("float32")
    views = {"t": base.transpose(2, 0, 1), "f": np.asfortranarray(base), "r": base[::-1, 1:]}
    tensors = [Tensor(n, "F32", v.shape, lambda v=v: v) for n, v in views.items()]
    write(tmp_path / "a.safetensors", "safetensors", tensors, {})
    loaded = load_file(tmp_path / "a.safetensors")
    assert all(np.array_equal(loaded[name].numpy(), view) for name, view in views.items())


def test_metadata_that_is_known_after_the_arrays(tmp_path):
    tensor = Tensor.of("w", np.ones(2, "f4"))
    with Destination.of(tmp_path / "late.safetensors").open([tensor], {"sum": "?"}) as staged:
        staged.add(tensor, tensor.load())
        staged.close({"sum": "1"})
        staged.place()
    write(tmp_path / "now.safetensors", "safetensors", [tensor], {"sum": "1"})
    late_bytes, now_bytes = ((tmp_path / f"{n}.safetensors").read_bytes() for n in ("late", "now"))
    assert late_bytes == now_bytes


def test_metadata_that_grows(tmp_path):
    tensor = Tensor.of("w", np.ones(2, "f4"))
    destination = Destination.of(tmp_path / "a.safetensors")
    with destination.open([tensor], {"sum": "?"}) as staged:
        staged.add(tensor, tensor.load())
        with pytest.raises(MismatchError, match="a header of 104 bytes, 96 were announced"):
            staged.close({"sum": "1" * 9})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("length", [0x280, 0x580])
def test_a_length_that_looks_like_a_pickle(tmp_path, length):
    header = b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}'.ljust(length)
    path = written(tmp_path, "a.safetensors", safetensors(header, b"\7"))
    assert path.read_bytes()[0] == 0x80 and path.read_bytes()[1] in (2, 5)
    assert read(path).tensors["a"].load() == [7]


def test_there_is_no_key_to_choose(tmp_path):
    save_file({"a": np.ones(2)}, tmp_path / "a.safetensors")
    with pytest.raises(UsageError, match=r"there is no key to choose from"):
        read(tmp_path / "a.safetensors", key="model")


@pytest.mark.parametrize("array", [np.ones(3), np.ones((2, 1), "float32")])
def test_an_array_must_be_what_its_tensor_says(tmp_path, array):
    tensor = Tensor("w", "F32", (2,), lambda: array)
    with pytest.raises(MismatchError, match=r"w: expected \(2,\) of float32, received"):
        write(tmp_path / "a.safetensors", "safetensors", [tensor], {})
    assert not list(tmp_path.iterdir())
