"""Every format, element type and memory layout: the bits are those that the framework loads.

The bits are random, so that NaNs of all payloads, infinities and subnormals are among them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import paddle
import pytest
import safetensors.torch
import torch

from tests.formats.torch_tensors import TAGS, raw_bytes
from weights_converter.arrays.dtypes import CARRIERS, FLOAT8, tag_of
from weights_converter.arrays.tensor import Tensor
from weights_converter.errors import RefusedError
from weights_converter.formats import read, write, write_shards

State = dict[str, torch.Tensor]
NUMPY = {dtype: CARRIERS[tag] for dtype, tag in TAGS.items() if tag_of(CARRIERS[tag]) == tag}
IN_PADDLE = {"F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL", "C64", "C128"}
IN_SAFETENSORS = [dtype for dtype, tag in TAGS.items() if tag != "C128"]
YOUNG = {"U16", "U32", "U64"} | FLOAT8  # without a storage class of their own


def random_bits(dtype: torch.dtype, *shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    if dtype == torch.bool:
        return torch.randint(0, 2, shape, generator=generator).bool()
    nbytes = int(np.prod(shape)) * dtype.itemsize
    raw = torch.randint(0, 256, (nbytes,), dtype=torch.uint8, generator=generator)
    return raw.view(dtype).reshape(shape)


def contiguous(dtype: torch.dtype) -> State:
    return {
        "plain": random_bits(dtype, 4, 6, 5),
        "scalar": random_bits(dtype, 1).reshape(()),
        "empty": random_bits(dtype, 3, 0, 2),
        "units": random_bits(dtype, 1, 7, 1),
    }


def all_layouts(dtype: torch.dtype) -> State:
    base = random_bits(dtype, 4, 6, 5)
    return contiguous(dtype) | {
        "transposed": base.permute(2, 0, 1),
        "sliced": base[1:, ::2, 1::3],
        "offset": base[2, 3:],
        "expanded": base[:1, :1].expand(3, 2, 5),
        "channels last": random_bits(dtype, 2, 3, 4, 5).contiguous(
            memory_format=torch.channels_last
        ),
        "tied": base,
        "tied again": base,
        "empty slice": base[:, 6:],
    }


def by_torch(path: Path, state: State) -> State:
    torch.save(state, path)
    return torch.load(path, weights_only=True)


def by_torch_legacy(path: Path, state: State) -> State:
    torch.save(state, path, _use_new_zipfile_serialization=False)
    if TAGS[state["plain"].dtype] in YOUNG:
        return state  # torch 2.13 does not load what it has saved: 'storage_type.dtype' is missing
    return torch.load(path, weights_only=True)


def by_torch_module(path: Path, state: State) -> State:
    module = torch.nn.Module()
    for name, tensor in state.items():
        module.register_buffer(name, tensor)
    torch.save(module, path)
    return torch.load(path, weights_only=False).state_dict()


SAVERS: Mapping[str, Callable[[Path, State], State]] = {
    "torch": by_torch,
    "torch-legacy": by_torch_legacy,
    "module": by_torch_module,
}


def assert_same(path: Path, loaded: State) -> None:
    tensors = read(path).tensors
    assert set(tensors) == set(loaded)
    for name, value in loaded.items():
        array = tensors[name].load()
        assert (tensors[name].dtype, array.shape) == (TAGS[value.dtype], tuple(value.shape))
        assert array.dtype == CARRIERS[TAGS[value.dtype]] and array.flags.c_contiguous
        assert array.tobytes() == raw_bytes(value), name


@pytest.mark.parametrize("dtype", TAGS, ids=str)
@pytest.mark.parametrize("saver", SAVERS)
def test_torch(tmp_path, saver, dtype):
    assert_same(tmp_path / "x", SAVERS[saver](tmp_path / "x", all_layouts(dtype)))


@pytest.mark.parametrize("dtype", IN_SAFETENSORS, ids=str)
def test_safetensors(tmp_path, dtype):
    safetensors.torch.save_file(contiguous(dtype), tmp_path / "x")
    assert_same(tmp_path / "x", safetensors.torch.load_file(tmp_path / "x"))


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("dtype", NUMPY, ids=str)
def test_npz(tmp_path, dtype, save, order):
    arrays = {name: tensor.numpy() for name, tensor in all_layouts(dtype).items()}
    arrays["fortran"] = np.asfortranarray(arrays["plain"])
    arrays = {name: a.astype(a.dtype.newbyteorder(order), order="K") for name, a in arrays.items()}
    save(tmp_path / "x.npz", **arrays)
    tensors = read(tmp_path / "x.npz").tensors
    with np.load(tmp_path / "x.npz") as loaded:
        assert list(tensors) == loaded.files
        for name, value in loaded.items():
            assert tensors[name].load().tobytes() == value.astype(NUMPY[dtype]).tobytes(), name
            assert tensors[name].shape == value.shape


def in_paddle(tensor: torch.Tensor) -> paddle.Tensor:
    if tensor.dtype == torch.bfloat16:
        return paddle.to_tensor(tensor.contiguous().view(torch.int16).numpy()).view("bfloat16")
    return paddle.to_tensor(tensor.numpy())


def paddle_bits(value: paddle.Tensor) -> bytes:
    return (value.view("int16") if value.dtype == paddle.bfloat16 else value).numpy().tobytes()


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("dtype", [d for d, tag in TAGS.items() if tag in IN_PADDLE], ids=str)
def test_paddle(tmp_path, dtype, protocol, nested):
    # Views of no elements crash Paddle's own conversion of bfloat16.
    state = {name: in_paddle(t) for name, t in all_layouts(dtype).items() if t.numel()}
    path = tmp_path / "x.pdparams"
    paddle.save(
        {"state_dict": state, "epoch": 1} if nested else state, str(path), protocol=protocol
    )
    loaded = paddle.load(str(path))
    loaded = loaded["state_dict"] if nested else loaded
    tensors = read(path).tensors
    assert list(tensors) == list(loaded)
    for name, value in loaded.items():
        assert tensors[name].dtype == TAGS[dtype] and tensors[name].shape == tuple(value.shape)
        assert tensors[name].load().tobytes() == paddle_bits(value), name


def ours(dtype: torch.dtype) -> list[Tensor]:
    return [
        Tensor.of(name, np.frombuffer(raw_bytes(t), CARRIERS[TAGS[dtype]]).reshape(t.shape),
                  TAGS[dtype])
        for name, t in all_layouts(dtype).items()
    ]  # fmt: skip


@pytest.mark.parametrize("dtype", TAGS, ids=str)
def test_torch_loads_ours(tmp_path, dtype):
    write(tmp_path / "x", "torch", ours(dtype), {})
    loaded = torch.load(tmp_path / "x", weights_only=True)
    assert {n: raw_bytes(t) for n, t in loaded.items()} == {
        n: raw_bytes(t) for n, t in all_layouts(dtype).items()
    }
    assert_same(tmp_path / "x", loaded)


@pytest.mark.parametrize("dtype", IN_SAFETENSORS, ids=str)
def test_safetensors_loads_ours(tmp_path, dtype):
    index = tmp_path / "x.safetensors.index.json"
    *files, _ = write_shards(index, ours(dtype), {}, 1000)
    write(tmp_path / "x", "safetensors", ours(dtype), {})
    loaded = safetensors.torch.load_file(tmp_path / "x")
    apart = {n: t for file in files for n, t in safetensors.torch.load_file(file).items()}
    for state in (loaded, apart):
        assert {n: raw_bytes(t) for n, t in state.items()} == {
            n: raw_bytes(t) for n, t in all_layouts(dtype).items()
        }
    assert_same(tmp_path / "x", loaded)
    assert_same(index, loaded)


def test_safetensors_has_no_double_complex_numbers(tmp_path):
    with pytest.raises(RefusedError, match="plain: safetensors cannot hold C128"):
        write(tmp_path / "x", "safetensors", ours(torch.complex128), {})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("dtype", TAGS, ids=str)
def test_numpy_loads_ours(tmp_path, dtype):
    write(tmp_path / "x.npz", "npz", ours(dtype), {})
    with np.load(tmp_path / "x.npz", allow_pickle=False) as loaded:
        for name, tensor in all_layouts(dtype).items():
            assert loaded[name].tobytes() == raw_bytes(tensor)
            assert loaded[name].shape == tuple(tensor.shape)
    assert_same(tmp_path / "x.npz", all_layouts(dtype))


@pytest.mark.parametrize("dtype", TAGS, ids=str)
def test_paddle_loads_ours(tmp_path, dtype):
    path = tmp_path / "x.pdparams"
    if TAGS[dtype] not in IN_PADDLE:
        with pytest.raises(RefusedError, match=f"cannot hold {TAGS[dtype]}"):
            write(path, "pdparams", ours(dtype), {})
        return
    write(path, "pdparams", ours(dtype), {})
    loaded = paddle.load(str(path))
    for name, tensor in all_layouts(dtype).items():
        if tensor.numel():
            assert paddle_bits(loaded[name]) == raw_bytes(tensor)
        assert tuple(loaded[name].shape) == tuple(tensor.shape)
    assert_same(path, all_layouts(dtype))
