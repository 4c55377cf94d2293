"""The stream that torch wrote before 1.6: everything in it is read bit for bit."""

from __future__ import annotations

import pytest
import torch

from tests.converter.crafted import every_dtype
from tests.formats.torch_tensors import (
    assert_same,
    every_dtype_in_torch,
    odd_tensors,
    raw_bytes,
)
from weights_converter.formats import read


def save(content: object, path, protocol: int = 2) -> None:
    torch.save(content, path, pickle_protocol=protocol, _use_new_zipfile_serialization=False)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_reads_every_geometry(tmp_path, protocol):
    path = tmp_path / "odd.pth"
    save(odd_tensors(), path, protocol)
    assert_same(path, odd_tensors())
    assert (read(path).format, read(path).layout) == ("torch-legacy", "torch")


def test_reads_every_dtype(tmp_path):
    for name, tensor in every_dtype_in_torch().items():  # torch mixes no types of one storage
        save({"w": tensor}, tmp_path / "d.pth")
        assert_same(tmp_path / "d.pth", {"w": tensor}), name


def test_reads_special_floats(tmp_path):
    arrays = {n: torch.from_numpy(a) for n, a in every_dtype().items()}
    save(arrays, tmp_path / "special.pth")
    assert_same(tmp_path / "special.pth", arrays)


def test_reads_training_files(tmp_path):
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.randn(4, 3, 5, 6)).sum().backward()
    optimizer.step()
    state = {f"module.{name}": tensor for name, tensor in model.state_dict().items()}
    save({"epoch": 7, "state_dict": state, "optimizer": optimizer.state_dict()}, tmp_path / "t")
    assert_same(tmp_path / "t", state)
    assert read(tmp_path / "t").scalars == {"epoch": 7}


def test_agrees_with_torch_load(tmp_path):
    save(odd_tensors(), tmp_path / "odd.pth")
    loaded = torch.load(tmp_path / "odd.pth", weights_only=True)
    tensors = read(tmp_path / "odd.pth").tensors
    assert list(tensors) == list(loaded)
    for name, value in loaded.items():
        assert tensors[name].load().tobytes() == raw_bytes(value)
