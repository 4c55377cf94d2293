"""What stands beside the arrays of a checkpoint: left out under its name, never made."""

from __future__ import annotations

import array
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import ipaddress
import logging
import operator
import pathlib
import pickle
import random
import re
import types
import uuid
import zoneinfo
from typing import NamedTuple

import numpy as np
import paddle
import pytest
import torch
from torch import nn

from tests.formats.torch_tensors import assert_same
from tests.quick import quick
from weights_converter.errors import RefusedError
from weights_converter.formats import read

HERE = __name__


class Colour(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    HIGH = 2


class Flags(enum.Flag):
    A = 1
    B = 2


@dataclasses.dataclass
class Options:
    rate: float = 0.1
    parts: list[int] = dataclasses.field(default_factory=lambda: [1, 2])


@dataclasses.dataclass(frozen=True)
class Frozen:
    rate: float = 0.1


@dataclasses.dataclass(slots=True)
class Slotted:
    rate: float = 0.1


class Pair(NamedTuple):
    first: int
    second: int


class Iterable(types.SimpleNamespace):
    """As in ultralytics: its options."""

    def __iter__(self):
        return iter(vars(self).items())


class Settings(dict):
    """As mmengine's ConfigDict."""


class Steps(list):
    """A list of its own class."""


class Outer:
    class Inner:
        """A class within a class."""

    def method(self) -> None:
        """Is bound."""


class WithOptions:
    def __new__(cls, *, rate):
        return super().__new__(cls)

    def __getnewargs_ex__(self):
        return (), {"rate": 1}


def function() -> None:
    """Is only named."""


def kinds() -> dict[str, tuple[object, str | None]]:
    """Each kind and what is said of it; nothing where it is plain."""
    generator = np.random.default_rng(0)
    return {
        "SimpleNamespace": (types.SimpleNamespace(a=1), "types.SimpleNamespace"),
        "enum": (Colour.RED, f"{HERE}.Colour"),
        "IntEnum": (Level.HIGH, f"{HERE}.Level"),
        "Flag": (Flags.A | Flags.B, f"{HERE}.Flags"),
        "Decimal": (decimal.Decimal("1.5"), "decimal.Decimal"),
        "Fraction": (fractions.Fraction(1, 3), "fractions.Fraction"),
        "timezone": (datetime.timezone.utc, "datetime.timezone"),
        "zone": (zoneinfo.ZoneInfo("UTC"), "zoneinfo.ZoneInfo._unpickle"),
        "datetime": (datetime.datetime(2020, 1, 2, tzinfo=datetime.timezone.utc), None),
        "date": (datetime.date(2020, 1, 2), "datetime.date"),
        "timedelta": (datetime.timedelta(1), "datetime.timedelta"),
        "time": (datetime.time(1), "datetime.time"),
        "range": (range(3), "range"),
        "slice": (slice(1, 2), "slice"),
        "complex": (1 + 2j, "complex"),
        "bytearray": (bytearray(b"abc"), None),
        "bytes": (b"abc", None),
        "long bytes": (b"abc" * 3000, None),
        "Ellipsis": (..., ".Ellipsis"),
        "class": (torch.optim.SGD, "torch.optim.sgd.SGD"),
        "builtin class": (complex, "complex"),
        "function": (function, f"{HERE}.function"),
        "builtin function": (len, ".len"),
        "method": (Outer().method, ".getattr"),
        "builtin method": ([].append, ".getattr"),
        "class within a class": (Outer.Inner, f"{HERE}.Outer.Inner"),
        "object of it": (Outer.Inner(), f"{HERE}.Outer.Inner"),
        "object": (Outer(), f"{HERE}.Outer"),
        "object with options": (WithOptions(rate=1), None),
        "regex": (re.compile("a+"), "re._compile"),
        "partial": (functools.partial(int, base=2), "functools.partial"),
        "itemgetter": (operator.itemgetter(1), "operator.itemgetter"),
        "dataclass": (Options(), f"{HERE}.Options"),
        "frozen dataclass": (Frozen(), f"{HERE}.Frozen"),
        "slotted dataclass": (Slotted(), f"{HERE}.Slotted"),
        "namedtuple": (Pair(1, 2), f"{HERE}.Pair"),
        "iterable namespace": (Iterable(a=1), f"{HERE}.Iterable"),
        "dict of a class": (Settings(a=1), f"{HERE}.Settings"),
        "list of a class": (Steps([1]), f"{HERE}.Steps"),
        "path": (pathlib.Path("a"), None),
        "UUID": (uuid.UUID(int=7), "uuid.UUID"),
        "address": (ipaddress.ip_address("::1"), "ipaddress.IPv6Address"),
        "array": (array.array("d", [1.0]), "array."),
        "random": (random.Random(0), "random.Random"),
        "exception": (ValueError("a"), ".ValueError"),
        "logger": (logging.getLogger("a"), "logging.getLogger"),
        "deque": (collections.deque([1]), "collections.deque"),
        "Counter": (collections.Counter("aab"), "collections.Counter"),
        "defaultdict": (collections.defaultdict(list, a=[1]), "collections.defaultdict"),
        "defaultdict of a function": (collections.defaultdict(function), "collections.defaultdict"),
        "ChainMap": (collections.ChainMap({"a": 1}), "collections.ChainMap"),
        "set": ({1, 2}, "builtins.set"),
        "set of objects": ({decimal.Decimal(1)}, "builtins.set, decimal.Decimal"),
        "dict with odd keys": ({(1, 2): 3, frozenset([1]): 4, Colour.RED: 5, 1 << 80: 6}, None),
        "NumPy generator": (generator, None),
        "NumPy state": (np.random.RandomState(0), None),
        "NumPy text": (np.array(["a", "b"]), "numpy."),
        "NumPy objects": (np.array([None, {}], dtype=object), "numpy.dtype"),
        "NumPy records": (np.zeros(2, [("a", "f4"), ("b", "i4")]), "numpy."),
        "NumPy date": (np.datetime64("2020-01-01"), None),
        "NumPy dtype": (np.dtype("U3"), "numpy.dtype"),
        "NumPy text scalar": (np.str_("a"), None),
        "NumPy class": (np.float32, "numpy.float32"),
        "NumPy array": (np.ones(3), None),
        "size": (torch.Size([1]), "torch.Size"),
        "device": (torch.device("cpu"), "torch.device"),
        "dtype": (torch.complex32, "torch.complex32"),
        "generator": (torch.Generator().get_state(), None),
        "layout": (torch.sparse_coo, None),
        "sparse": (torch.eye(3).to_sparse(), None),
        "conjugated": (torch.ones(2, dtype=torch.complex64).conj(), "torch._utils._rebuild_tensor"),
        "optimizer": (torch.optim.SGD([nn.Parameter(torch.ones(2))]), "torch.optim.sgd.SGD"),
        "module": (nn.ReLU(), None),
        "distribution": (torch.distributions.Normal(0.0, 1.0), "torch.distributions.normal.Normal"),
        "loader": (torch.utils.data.TensorDataset(torch.ones(2)), None),
    }  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", kinds())
@pytest.mark.parametrize("protocol", quick([2, 4], [2, 3, 4, 5]))
def test_any_object_may_stand_beside_the_arrays(tmp_path, kind, protocol):
    value, said = kinds()[kind]
    state = nn.Linear(3, 2).state_dict()
    path = tmp_path / "p.pth"
    for content in (value, {"deep": [1, (value, 2)]}):
        whole = {"epoch": 3, "state_dict": state, "extra": content}
        torch.save(whole, path, pickle_protocol=protocol)
        assert_same(path, state)
        for checkpoint in (read(path), read(path, key="state_dict")):
            assert "the state dict is under 'state_dict'" in checkpoint.notes
            if said is not None:
                assert said in checkpoint.left_out["extra"]


@pytest.mark.parametrize("kind", ["Decimal", "enum", "function", "slice", "NumPy text"])
@pytest.mark.parametrize("protocol", [2, 4])
def test_no_unknown_object_may_be_among_them(tmp_path, kind, protocol):
    state = dict(nn.Linear(3, 2).state_dict())
    for value in (kinds()[kind][0], [{"a": kinds()[kind][0]}]):
        for content in (state | {"x": value}, {"state_dict": state | {"x": value}}):
            torch.save(content, tmp_path / "p.pth", pickle_protocol=protocol)
            with pytest.raises(RefusedError, match=r"p.pth refused: it calls .* \(byte \d+\)"):
                read(tmp_path / "p.pth")


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("kind", ["SimpleNamespace", "enum", "Decimal", "method", "dataclass"])
def test_in_files_of_paddle(tmp_path, kind, protocol):
    value, said = kinds()[kind]
    state = paddle.nn.Linear(3, 2).state_dict()
    path = tmp_path / "p.pdparams"
    path.write_bytes(
        pickle.dumps({"state_dict": {k: v.numpy() for k, v in state.items()}, "x": value}, protocol)
    )
    checkpoint = read(path)
    assert list(checkpoint.tensors) == list(state) and said in checkpoint.left_out["x"]
    path.write_bytes(
        pickle.dumps({**{k: v.numpy() for k, v in state.items()}, "x": value}, protocol)
    )
    with pytest.raises(RefusedError, match=r"p.pdparams refused: it calls "):
        read(path)


def test_a_wrapper_that_is_unknown_is_not_passed_over(tmp_path):
    """Its arrays must not be taken for missing."""
    torch.save({"epoch": 3, "model": decimal.Decimal(1)}, tmp_path / "p.pth")
    for key in (None, "model"):
        with pytest.raises(RefusedError, match=r"p.pth refused: it calls decimal.Decimal "):
            read(tmp_path / "p.pth", key=key)


def test_the_list_of_names_ends(tmp_path):
    state = nn.Linear(3, 2).state_dict()
    many = [decimal.Decimal(1), Colour.RED, fractions.Fraction(1), 1j, range(3)]
    torch.save({"state_dict": state, "x": many}, tmp_path / "p.pth")
    said = read(tmp_path / "p.pth").left_out["x"]
    assert said == f"holds decimal.Decimal, {HERE}.Colour, fractions.Fraction, 2 more"
