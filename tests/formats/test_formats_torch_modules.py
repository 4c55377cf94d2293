"""Models that were saved whole: their weights are found, their classes are never looked up."""

from __future__ import annotations

import argparse
import datetime
import decimal
import enum
import functools
import pathlib
import re
import sys
import types
from collections import Counter, OrderedDict, defaultdict, deque

import numpy as np
import pytest
import torch
from torch import nn

from tests.formats.torch_tensors import assert_same
from weights_converter.errors import DamagedError, RefusedError
from weights_converter.formats import read


class Block(nn.Module):
    """Has all that a module's pickle may hold."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 2))
        self.none = None
        self.register_parameter("missing", None)
        self.register_buffer("kept", torch.randn(4))
        self.register_buffer("unsaved", torch.randn(5), persistent=False)
        self.act = torch.nn.functional.relu
        self.parts = nn.ModuleList([nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3)])
        self.names = {"a", "b"}
        self.norm = functools.partial(nn.BatchNorm2d, eps=1e-3)
        self.device = torch.device("cpu")
        self.size = torch.randn(2, 3).size()
        self.dtype = torch.float32


def network() -> nn.Module:
    torch.manual_seed(1)
    shared = nn.Linear(2, 2)
    return nn.Sequential(
        OrderedDict(stem=Block(), first=shared, again=shared, deep=nn.Sequential(Block()))
    )


class Attention(nn.Module):
    """Keeps methods among its attributes, as the official ODConv does."""

    class Scale(nn.Module):
        """A class within a class."""

        def __init__(self) -> None:
            super().__init__()
            self.gain = nn.Parameter(torch.randn(2))

    def __init__(self) -> None:
        super().__init__()
        self.channel_fc = nn.Conv2d(3, 2, 1)
        self.func_channel = self.get_channel_attention
        self.func_skip = self.skip
        self.funcs = {"a": [self.skip]}
        self.bound = functools.partial(self.skip, 1)
        self.forward = self.forward_fused
        self.scale = self.Scale()
        self.kind = Kind.FAST
        self.exact = decimal.Decimal("0.1")
        self.criterion = Loss()
        self.grid = torch.randn(3)
        self.pattern = re.compile("x")
        self.register_buffer("mask", torch.ones(2), persistent=False)

    @staticmethod
    def skip(_) -> float:
        return 1.0

    def get_channel_attention(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.channel_fc(x))

    def forward_fused(self, x: torch.Tensor) -> torch.Tensor:
        return self.func_channel(x)


class Kind(enum.Enum):
    FAST = "fast"


class Loss:
    """Is no module, and has a tensor all the same."""

    def __init__(self) -> None:
        self.weights = torch.randn(2)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("place", ["alone", "beside", "two", "data parallel"])
def test_modules_that_keep_their_methods(tmp_path, zipped, protocol, place):
    torch.manual_seed(2)
    model = nn.Sequential(Attention(), nn.ModuleDict({"deep": Attention()}))
    content, key = model, None
    if place == "beside":  # as YOLO's files
        options = types.SimpleNamespace(imgsz=640, run=model.forward)
        content = {"epoch": -1, "best": None, "model": model, "ema": None, "args": options}
    elif place == "two":
        content, key = {"model": nn.Linear(1, 1), "ema": model}, "ema"
    elif place == "data parallel":
        model = nn.DataParallel(model)
        content = {"net": model}
    torch.save(
        content, tmp_path / "m.pt", pickle_protocol=protocol, _use_new_zipfile_serialization=zipped
    )
    checkpoint = read(tmp_path / "m.pt", key=key)
    state = model.state_dict()
    assert list(checkpoint.tensors) == list(state)
    for name, value in state.items():
        assert np.array_equal(checkpoint.tensors[name].load(), value.numpy())
    start = "module.0" if place == "data parallel" else "0"
    lost = {
        f"{start}.mask": "a buffer that its module does not save, and 1 more",
        f"{start}.grid": "a tensor that is no parameter and no buffer, and 1 more",
        f"{start}.kind": f"an object of {__name__}.Kind, and 1 more",
        f"{start}.exact": "an object of decimal.Decimal, and 1 more",
        f"{start}.criterion": f"an object of {__name__}.Loss, and 1 more",
        f"{start}.pattern": "an object of re._compile, and 1 more",
    }
    assert lost.items() <= checkpoint.left_out.items()
    assert checkpoint.left_out.keys() - lost.keys() <= {"args"}


@pytest.mark.parametrize("place", ["_parameters", "_buffers", "_modules"])
def test_an_unknown_object_in_the_place_of_an_array(tmp_path, place):
    """It could be one; it must not get lost."""
    model = nn.Sequential(nn.Linear(2, 2))
    getattr(model[0], place)["odd"] = decimal.Decimal(1)
    for content in (model, {"epoch": 1, "model": model}):
        torch.save(content, tmp_path / "m.pt")
        with pytest.raises(RefusedError, match=r"m.pt refused: it calls decimal.Decimal \(byte"):
            read(tmp_path / "m.pt")


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_module_gives_its_state_dict(tmp_path, zipped, protocol):
    path = tmp_path / "m.pt"
    torch.save(network(), path, pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
    assert_same(path, network().state_dict())
    notes = read(path).notes
    assert notes[0] == (
        "took the weights from a whole module of class "
        "torch.nn.modules.container.Sequential, without making one"
    )
    assert "again.weight is the same array as first.weight" in notes


def test_modules_in_a_training_file(tmp_path):
    model = nn.DataParallel(network())
    torch.save({"epoch": 3, "model": model, "args": argparse.Namespace(a=1)}, tmp_path / "m.pt")
    checkpoint = read(tmp_path / "m.pt")
    assert_same(tmp_path / "m.pt", model.state_dict())
    assert checkpoint.scalars == {"epoch": 3}
    assert "left out: args" in checkpoint.notes


def test_the_class_need_not_exist(tmp_path, monkeypatch):
    class Gone(nn.Linear):
        pass

    Gone.__module__, Gone.__qualname__ = "a_module_that_is_gone", "Gone"
    module = type(sys)("a_module_that_is_gone")
    module.Gone = Gone
    monkeypatch.setitem(sys.modules, "a_module_that_is_gone", module)
    model = Gone(2, 3)
    torch.save(model, tmp_path / "m.pt")
    monkeypatch.delitem(sys.modules, "a_module_that_is_gone")
    assert_same(tmp_path / "m.pt", model.state_dict())


def test_a_module_within_itself(tmp_path):
    model = network()
    model._modules["deep"]._modules["me"] = model
    torch.save(model, tmp_path / "m.pt")
    with pytest.raises(RefusedError, match=r"its modules are nested more than 64 deep"):
        read(tmp_path / "m.pt")


def test_modules_that_double(tmp_path):
    model = nn.Linear(1, 1)
    for _ in range(40):
        model = nn.Sequential(model, model)
    torch.save(model, tmp_path / "m.pt")
    with pytest.raises(
        RefusedError, match=r"it describes more objects than its \d+ bytes can hold"
    ):
        read(tmp_path / "m.pt")


def test_plain_things_beside_the_weights(tmp_path):
    state = nn.Linear(3, 2).state_dict()
    beside = {
        "epoch": np.int64(3),
        "best": np.float32(0.5),
        "done": np.bool_(True),
        "args": argparse.Namespace(lr=0.1, out=pathlib.PosixPath("x")),
        "date": datetime.datetime(2020, 1, 2),
        "counter": Counter("aab"),
        "default": defaultdict(list, a=[1]),
        "queue": deque([1, 2], maxlen=5),
        "set": {1, 2},
        "frozen": frozenset([3]),
        "size": torch.Size([1]),
        "device": torch.device("cpu"),
        "dtype": torch.float16,
        "numpy": np.arange(3),
        "nested": [1, (2.5, None, True)],
    }
    for protocol in (2, 3, 4, 5):
        torch.save({"state_dict": state, **beside}, tmp_path / "p", pickle_protocol=protocol)
        assert_same(tmp_path / "p", state)
        assert read(tmp_path / "p").scalars == {"epoch": 3, "best": 0.5, "done": True}


def test_a_class_as_a_value_is_refused_among_the_arrays(tmp_path):
    torch.save({"w": torch.ones(1), "cls": torch.optim.SGD}, tmp_path / "p")
    with pytest.raises(RefusedError, match=r"p refused: it calls torch.optim.sgd.SGD \(byte \d+"):
        read(tmp_path / "p")


def test_an_object_that_is_no_module(tmp_path):
    torch.save(argparse.Namespace(a=1), tmp_path / "p")
    with pytest.raises(DamagedError, match=r"p holds a argparse.Namespace, not a state dict"):
        read(tmp_path / "p")
