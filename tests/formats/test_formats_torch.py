"""torch archives: everything torch.save writes is read bit for bit, and the other way round."""

from __future__ import annotations

import argparse
from collections import Counter, OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.converter.crafted import every_dtype, pickled, tensor, text, torch_zip, written
from tests.formats.torch_tensors import (
    TAGS,
    assert_same,
    every_dtype_in_torch,
    odd_tensors,
    raw_bytes,
)
from weights_converter.arrays.dtypes import FLOAT8
from weights_converter.arrays.tensor import Tensor
from weights_converter.errors import DamagedError, RefusedError, UsageError
from weights_converter.formats import read, write

EXAMPLE = Path(__file__).parents[2] / "examples" / "odconv4x_mobilenetv2_digits.pth.tar"


def test_reads_every_geometry(tmp_path):
    path = tmp_path / "odd.pth"
    torch.save(odd_tensors(), path)
    assert_same(path, odd_tensors())
    assert read(path).notes == ("tied_again is the same array as tied",)


def test_few_elements_far_apart(tmp_path):
    """Most of the storage lies between them; it is read in pieces."""
    base = torch.arange(2_000_000.0).reshape(1000, 2, 1000)
    tensors = {
        "column": base[:, 1, 7],
        "backwards": base.permute(2, 1, 0)[::300, :, 1:],
        "block": base[3:, :, :2],
    }
    torch.save(tensors, tmp_path / "far.pth")
    assert_same(tmp_path / "far.pth", tensors)


def test_reads_every_dtype(tmp_path):
    tensors = every_dtype_in_torch()
    torch.save(tensors, tmp_path / "dtypes.pth")
    assert_same(tmp_path / "dtypes.pth", tensors)


def test_reads_special_floats(tmp_path):
    arrays = {n: torch.from_numpy(a) for n, a in every_dtype().items()}
    torch.save(arrays, tmp_path / "special.pth")
    assert_same(tmp_path / "special.pth", arrays)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_reads_every_protocol(tmp_path, protocol):
    state = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)).state_dict()
    torch.save({"state_dict": state}, tmp_path / "p.pth", pickle_protocol=protocol)
    assert_same(tmp_path / "p.pth", state)


def test_the_example_is_read_as_torch_reads_it():
    expected = torch.load(EXAMPLE, weights_only=False)["state_dict"]
    checkpoint = read(EXAMPLE)
    assert_same(EXAMPLE, expected)
    assert (checkpoint.format, checkpoint.layout) == ("torch", "torch")
    assert checkpoint.scalars == {"epoch": 32}
    assert checkpoint.notes == (
        "the state dict is under 'state_dict'",
        "left out: acc, best_acc, optimizer",
    )


def test_big_endian_files(tmp_path):
    values = np.arange(6, dtype="f4")
    content = pickled(b"}", text("w"), tensor((3, 2), (1, 3), numel=6), b"s")
    raw = torch_zip(content, {"0": values.astype(">f4").tobytes()}, order=b"big")
    assert_same(written(tmp_path, "big.pth", raw), {"w": torch.from_numpy(values.reshape(2, 3).T)})


def training_file(**extra: object) -> dict[str, object]:
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.randn(4, 3)).sum().backward()
    optimizer.step()
    return {
        "epoch": 7,
        "arch": "tiny",
        "best": np.float64(71.25),
        "args": argparse.Namespace(lr=0.1),
        "milestones": Counter([3, 4]),
        "optimizer": optimizer.state_dict(),
        **extra,
    }


@pytest.mark.parametrize("wrapper", ["state_dict", "model", "model_state_dict", "net", "weird"])
def test_finds_the_state_dict(tmp_path, wrapper):
    state = torch.nn.Linear(3, 2).state_dict()
    torch.save(training_file(**{wrapper: state}), tmp_path / "ck.pth.tar")
    checkpoint = read(tmp_path / "ck.pth.tar")
    assert list(checkpoint.tensors) == ["weight", "bias"]
    assert checkpoint.scalars == {"epoch": 7, "arch": "tiny", "best": 71.25}
    assert checkpoint.notes == (
        f"the state dict is under '{wrapper}'",
        "left out: args, milestones, optimizer",
    )


def test_a_few_tensors_inside_do_not_make_a_state_dict(tmp_path):
    state = torch.nn.Linear(3, 2).state_dict() | {"extra": {"scale": torch.ones(1)}}
    torch.save(state, tmp_path / "flat.pth")
    checkpoint = read(tmp_path / "flat.pth")
    assert list(checkpoint.tensors) == ["weight", "bias"]
    assert checkpoint.notes == ("left out: extra",)


def test_several_state_dicts_need_a_choice(tmp_path):
    state, ema = (torch.nn.Linear(3, 2).state_dict() for _ in range(2))
    path = tmp_path / "od.pth.tar"
    torch.save(training_file(state_dict=state, state_dict_ema=ema), path)
    with pytest.raises(UsageError) as error:
        read(path)
    assert str(error.value) == (
        "od.pth.tar holds several state dicts: state_dict (2 tensors), state_dict_ema (2 tensors)"
    )
    assert error.value.help == "choose one, for example --key state_dict_ema"
    loaded = read(path, key="state_dict_ema").tensors["weight"].load()
    assert loaded.tobytes() == raw_bytes(ema["weight"])
    with pytest.raises(UsageError, match=r"holds no state dict under 'optimizer'"):
        read(path, key="optimizer")


@pytest.mark.parametrize("plain", ["params", "generator", "model"])
def test_an_average_does_not_hide_what_it_is_of(tmp_path, plain):
    """BasicSR, for one, saves `params` and `params_ema`."""
    state, ema = (torch.nn.Linear(3, 2).state_dict() for _ in range(2))
    torch.save({plain: state, f"{plain}_ema": ema}, tmp_path / "net.pth")
    with pytest.raises(UsageError, match=rf"{plain} \(2 tensors\), {plain}_ema \(2 tensors\)"):
        read(tmp_path / "net.pth")
    loaded = read(tmp_path / "net.pth", key=plain).tensors["weight"].load()
    assert loaded.tobytes() == raw_bytes(state["weight"])


def test_an_optimizer_alone_is_no_checkpoint(tmp_path):
    torch.save(training_file(), tmp_path / "o.pth")
    with pytest.raises(DamagedError, match=r"o\.pth holds no state dict, only epoch, arch"):
        read(tmp_path / "o.pth")


@pytest.mark.parametrize(
    "view", [torch.randn(3, dtype=torch.complex64).conj(), torch._neg_view(torch.ones(3))]
)
def test_views_that_torch_computes_later(tmp_path, view):
    torch.save({"w": view}, tmp_path / "c.pth")
    with pytest.raises(RefusedError) as error:
        read(tmp_path / "c.pth")
    assert str(error.value) == (
        "c.pth holds a conjugated or negated view, which torch computes when it is used"
    )
    assert error.value.help == "save tensor.resolve_conj().resolve_neg() in its place"


def test_a_file_without_checksums_is_read(tmp_path):
    from torch.serialization import set_crc32_options

    set_crc32_options(False)
    try:
        torch.save({"w": torch.arange(5.0)}, tmp_path / "w.pth")
    finally:
        set_crc32_options(True)
    assert_same(tmp_path / "w.pth", {"w": torch.arange(5.0)})


def written_tensors() -> list[Tensor]:
    tensors = [Tensor.of(name, array) for name, array in every_dtype().items()]
    bits = np.random.default_rng(1).integers(0, 2**16, (3, 4), "uint16")
    tensors += [Tensor.of("bf16", bits, "BF16"), Tensor.of("u16", bits)]
    tensors += [Tensor.of("u32", bits.astype("uint32")), Tensor.of("u64", bits.astype("uint64"))]
    small = bits.astype("uint8")
    tensors += [Tensor.of(tag, small, tag) for tag in sorted(FLOAT8)]
    wide = np.random.default_rng(2).standard_normal((2, 3, 2))
    return [*tensors, *(Tensor.of(f"c{n}", wide.astype(f"f{n}").view(f"c{2 * n}")) for n in (4, 8))]


@pytest.mark.parametrize("mmap", [False, True])
def test_torch_reads_what_is_written(tmp_path, mmap):
    path = tmp_path / "w.pth"
    write(path, "torch", written_tensors(), {"odconv.note": "h\u00e9"})
    loaded = torch.load(path, weights_only=True, mmap=mmap)
    assert type(loaded) is OrderedDict and list(loaded) == [t.name for t in written_tensors()]
    for expected in written_tensors():
        value = loaded[expected.name]
        assert TAGS[value.dtype] == expected.dtype and tuple(value.shape) == expected.shape
        assert raw_bytes(value) == expected.load().tobytes()
        assert value.stride() == torch.empty(expected.shape).stride()
    assert read(path).metadata == {"odconv.note": "h\u00e9"}


def test_offsets_are_looked_up_not_computed(tmp_path):
    """With this option torch would compute them, if the file invited it to."""
    from torch.utils.serialization import config

    path = tmp_path / "w.pth"
    write(path, "torch", written_tensors(), {})
    config.load.calculate_storage_offsets = True
    try:
        loaded = torch.load(path, weights_only=True, mmap=True)
    finally:
        config.load.calculate_storage_offsets = False
    for expected in written_tensors():
        assert raw_bytes(loaded[expected.name]) == expected.load().tobytes()


def test_a_strict_model_takes_it(tmp_path):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    state = model.state_dict()
    tensors = [Tensor.of(n, t.numpy()) for n, t in state.items() if "num_batches" not in n]
    write(tmp_path / "m.pth", "torch", tensors, {})
    other = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    other.load_state_dict(torch.load(tmp_path / "m.pth", weights_only=True), strict=True)
    assert all(torch.equal(state[name], value) for name, value in other.state_dict().items())
