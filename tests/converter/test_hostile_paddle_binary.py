"""Paddle's binary tensors and programs that lie."""

from __future__ import annotations

import json
import struct

import pytest

from tests.converter.crafted import call, dict_, pickled, text, varint, written
from weights_converter.errors import ConverterError, DamagedError, RefusedError
from weights_converter.formats import read


def described(kind: int = 5, shape: tuple[int, ...] = (2,)) -> bytes:
    return b"\x08" + varint(kind) + b"".join(b"\x10" + varint(size) for size in shape)


def tensor(description: bytes, data: bytes = bytes(8), levels: int = 0) -> bytes:
    return struct.pack("<IQIi", 0, levels, 0, len(description)) + description + data


GOOD = tensor(described())
DESCRIPTION = "is damaged: the description of its tensor at byte 0:"
CASES = {
    "truncated data": (tensor(described(), bytes(7)), DamagedError,
                       "is truncated: its tensor 0 ends at byte"),
    "1 TiB": (tensor(described(shape=(2**38,))), DamagedError, "is truncated: its tensor 0 ends"),
    "overflow": (tensor(described(shape=(2**40, 2**40))), DamagedError,
                 "is damaged: the tensor at byte 0 has an impossible shape"),
    "negative": (tensor(described(shape=(2**64 - 2,))), DamagedError,
                 "is damaged: the tensor at byte 0 has an impossible shape"),
    "33 axes": (tensor(described(shape=(1,) * 33), bytes(4)), DamagedError,
                "is damaged: the tensor at byte 0 has an impossible shape"),
    "packed": (tensor(b"\x08\x05\x12\x02\x81"), DamagedError, f"{DESCRIPTION} a field is cut off"),
    "endless number": (tensor(b"\x08" + b"\xff" * 20), DamagedError,
                       f"{DESCRIPTION} a number does not end"),
    "odd field": (tensor(b"\x08\x05\x13"), DamagedError, f"{DESCRIPTION} a field of kind 3"),
    "no such type": (tensor(described(99)), RefusedError, "stores elements of Paddle's type 99"),
    "text": (tensor(described(25)), RefusedError, "stores elements of Paddle's type 25"),
    "levels": (GOOD + tensor(described(), levels=1), RefusedError, "holds a tensor with levels of"),
    "something behind": (GOOD + b"evil" * 8, DamagedError, "is damaged: no tensor starts at byte"),
    "a little behind": (GOOD + b"x", DamagedError, "is truncated: byte 52 is needed"),
    "two without names": (GOOD + GOOD, RefusedError, "holds 2 arrays without names"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_refuses(tmp_path, case):
    content, kind, fact = CASES[case]
    with pytest.raises(ConverterError) as error:
        read(written(tmp_path, "w.pdiparams", content))
    assert type(error.value) is kind
    assert str(error.value).startswith(f"w.pdiparams {fact}")


def test_the_good_one_is_good(tmp_path):
    assert read(written(tmp_path, "w.pdiparams", GOOD)).tensors["w"].load().tolist() == [0, 0]
    packed = tensor(b"\x08\x05\x12\x01\x02")
    assert read(written(tmp_path, "w.pdiparams", packed)).tensors["w"].shape == (2,)


def program(*names: object, shape: object = (2,)) -> bytes:
    operations = [{"#": "p", "A": [0, name], "O": {"TT": {"D": [{}, shape]}}} for name in names]
    blocks = [{"ops": [{"#": "1.data", "A": []}, *operations]}]
    return json.dumps({"program": {"regions": [{"blocks": blocks}]}}).encode()


PROGRAMS = {
    "no JSON": (b"{", DamagedError, "w.json is damaged: it is not a program by Paddle"),
    "other JSON": (b"[]", DamagedError, "w.json is damaged: it is not a program by Paddle"),
    "deep": (b"[" * 200_000, DamagedError, "w.json is damaged: it is not a program by Paddle"),
    "no name": (program(1, "b"), DamagedError, "w.json is damaged: one of its parameters has"),
    "odd shape": (program("a", "b", shape="2"), DamagedError,
                  "w.json is damaged: a has an impossible shape"),
    "one name": (program("a"), RefusedError, "w.pdiparams refused: its program has 1 arrays, the"),
    "one name twice": (program("a", "a"), RefusedError, "w.pdiparams refused: two arrays are call"),
    "steps out": (program("../a", "b"), RefusedError, "w.pdiparams refused: an array is called"),
    "other shape": (program("a", "b", shape=(3,)), RefusedError,
                    "w.pdiparams refused: its program has a of shape (3,), the file (2,)"),
}  # fmt: skip


@pytest.mark.parametrize("case", PROGRAMS)
def test_programs_that_lie(tmp_path, case):
    content, kind, fact = PROGRAMS[case]
    written(tmp_path, "w.json", content)
    with pytest.raises(ConverterError) as error:
        read(written(tmp_path, "w.pdiparams", GOOD + GOOD))
    assert type(error.value) is kind
    assert str(error.value).startswith(fact)


def test_a_program_in_another_folder(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "w.json").symlink_to(written(tmp_path, "w.json", program("a", "b")))
    with pytest.raises(RefusedError, match=r"w\.json beside it is a link to another folder"):
        read(written(tmp_path / "a", "w.pdiparams", GOOD + GOOD))


@pytest.mark.parametrize("ending", [".pdiparams.info", ".pdparams"])
def test_tables_that_attack(tmp_path, ending):
    canary = tmp_path / "canary"
    evil = pickled(dict_(a=call("posix", "system", text(f"touch {canary}"))))
    written(tmp_path, f"w{ending}", evil)
    written(tmp_path, "w.json", program("a", "b"))
    with pytest.raises(RefusedError, match=r"it calls posix.system"):
        read(written(tmp_path, "w.pdiparams", GOOD + GOOD))
    assert not canary.exists()
