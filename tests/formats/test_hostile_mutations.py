"""Thousands of damaged files: every one is read, or refused by an error of ours."""

from __future__ import annotations

import io
import pickle
import random
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import paddle
import pytest
import torch

from tests.converter.crafted import every_dtype, torch_zip, written
from weights_converter.errors import ConverterError, DamagedError, RefusedError
from weights_converter.formats import read, write
from weights_converter.tensor import Tensor

MUTATIONS = 800  # of each file


def by_torch() -> bytes:
    handle = io.BytesIO()
    model = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3))
    content = {"epoch": 3, "state_dict": model.state_dict(), "acc": np.float32(1.5)}
    torch.save(content, handle)
    return handle.getvalue()


def by_paddle(protocol: int) -> bytes:
    handle = io.BytesIO()
    model = paddle.nn.Sequential(paddle.nn.Conv2D(2, 3, 3), paddle.nn.BatchNorm2D(3))
    paddle.save({"epoch": 3, "state_dict": model.state_dict()}, handle, protocol=protocol)
    return handle.getvalue()


def by_us(folder: Path, format: str) -> bytes:
    tensors = [Tensor.of(f"{name}/vars/0", array) for name, array in every_dtype().items()]
    write(folder / "ours", format, tensors, {"a": "1"}, overwrite=True)
    return (folder / "ours").read_bytes()


def files(folder: Path) -> dict[str, bytes]:
    ours = {f"our {kind}": by_us(folder, kind) for kind in ("torch", "pdparams", "safetensors")}
    plain = pickle.dumps({"w": np.arange(6.0), "b": np.ones(2000, ">i2")}, 4)
    return {"torch": by_torch(), "paddle 2": by_paddle(2), "paddle 4": by_paddle(4)} | ours | {
        "plain": plain
    }  # fmt: skip


NAMES = ["torch", "paddle 2", "paddle 4", "our torch", "our pdparams", "our safetensors", "plain"]


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    torch.manual_seed(0)
    paddle.seed(0)
    made = files(tmp_path_factory.mktemp("originals"))
    assert sorted(made) == sorted(NAMES)
    return made


def read_all(path: Path) -> None:
    for tensor in read(path).tensors.values():
        array = tensor.load()
        assert array.shape == tensor.shape


@pytest.mark.parametrize("name", NAMES)
def test_truncated(tmp_path, originals, name):
    content = originals[name]
    read_all(written(tmp_path, "whole", content))
    step = max(1, len(content) // 150)
    for end in [*range(min(200, len(content))), *range(200, len(content), step)]:
        with pytest.raises((DamagedError, RefusedError)) as error:
            read_all(written(tmp_path, "cut", content[:end]))
        assert isinstance(error.value, DamagedError), (end, error.value)


def mutated(content: bytes, chance: random.Random) -> bytes:
    raw = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 8))):
        place = chance.randrange(len(raw))
        kind = chance.randrange(5)
        if kind == 0:
            raw[place] ^= 1 << chance.randrange(8)
        elif kind == 1:
            raw[place] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, *b"(.Rtubcqhj0123Q}])"))
        elif kind == 2:
            del raw[place : place + chance.randrange(1, 20)]
        elif kind == 3:
            start = chance.randrange(len(raw))
            raw[place:place] = raw[start : start + chance.randrange(1, 40)]
        else:
            raw[place : place + 4] = chance.choice((b"\xff" * 4, bytes(4), b"\0\0\0\x80"))
    return bytes(raw)


def refusals(folder: Path, mutants: Iterator[bytes]) -> int:
    """How many of the files are refused; an error that is not ours goes through."""
    count = 0
    for mutant in mutants:
        try:
            read_all(written(folder, "mutant", mutant))
        except ConverterError as error:
            assert str(error).isprintable()
            count += 1
    return count


@pytest.mark.parametrize("name", NAMES)
def test_mutated(tmp_path, originals, name):
    chance = random.Random(name)
    mutants = (mutated(originals[name], chance) for _ in range(MUTATIONS))
    assert refusals(tmp_path, mutants) > MUTATIONS / 10


@pytest.mark.parametrize("name", ["torch", "our torch"])
def test_mutated_pickles_with_right_checksums(tmp_path, originals, name):
    chance = random.Random(name)
    with zipfile.ZipFile(io.BytesIO(originals[name])) as archive:
        entries = {entry.partition("/")[2]: archive.read(entry) for entry in archive.namelist()}
    storages = {n.removeprefix("data/"): raw for n, raw in entries.items() if "data/" in n}
    content = entries["data.pkl"]
    read_all(written(tmp_path, "whole", torch_zip(content, storages)))
    mutants = (torch_zip(mutated(content, chance), storages) for _ in range(MUTATIONS))
    assert refusals(tmp_path, mutants) > MUTATIONS / 4
