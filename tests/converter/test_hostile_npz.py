""".npz archives that lie: about the size of an array, its type, or what is in them twice."""

from __future__ import annotations

import io
import pickle
import struct

import numpy as np
import pytest

from tests.converter.crafted import written
from tests.converter.crafted_npz import archive, described, npy
from weights_converter.errors import ConverterError, DamagedError, RefusedError
from weights_converter.formats import read

ZEROS = bytes(1 << 20)


def one(header: str, data: bytes = bytes(8), **options: bytes) -> bytes:
    return archive(("w.npy", npy(header, data, **options)))


def objects() -> bytes:
    handle = io.BytesIO()
    np.savez(handle, w=np.array([{"a": 1}], object))
    return handle.getvalue()


def inflates_to(size: int) -> bytes:
    """The directory gives the entry another size than its data has."""
    raw = bytearray(archive(("w.npy", npy(described(), bytes(8))), deflated=True))
    place = raw.index(b"PK\x01\x02")
    struct.pack_into("<I", raw, place + 24, size)
    return bytes(raw)


GOOD = npy(described(), bytes(8))
ODD = "refused: w has a header that NumPy would not write for numbers"
CASES = {
    "objects": (objects(), RefusedError, "refused: w holds Python objects, which only pickle"),
    "hidden objects": (one(described("'O'"), pickle.dumps([1])), RefusedError,
                       "refused: w holds Python objects"),
    "expression": (one("__import__('os').system('touch canary') or " + described()), RefusedError,
                   ODD),
    "fields": (one(described("[('a', '<f4')]")), RefusedError, ODD),
    "nested": (one("(" * 30000), RefusedError, ODD),
    "order of keys": (one("{'shape': (2,), 'descr': '<f4', 'fortran_order': False}"),
                      RefusedError, ODD),
    "4 TiB": (one(described(shape="(1099511627776,)")), RefusedError,
              "refused: w needs 4398046511104 bytes and is given 8"),
    "overflow": (one(described(shape="(4294967296, 4294967296)")), DamagedError,
                 "is damaged: w has an impossible shape"),
    "33 axes": (one(described(shape="(" + "1, " * 32 + "1)")), DamagedError,
                "is damaged: w has an impossible shape"),
    "negative": (one(described(shape="(-2,)")), RefusedError, ODD),
    "too few bytes": (one(described(), bytes(7)), RefusedError,
                      "refused: w needs 8 bytes and is given 7"),
    "too many bytes": (one(described(), bytes(9)), RefusedError,
                       "refused: w needs 8 bytes and is given 9"),
    "long header": (one(described() + " " * 70_000, version=b"\x02\x00"), RefusedError, ODD),
    "header past the end": (archive(("w.npy", b"\x93NUMPY\x01\x00\xff\xff{'descr'")), RefusedError,
                            ODD),
    "version 4": (one(described(), version=b"\x04\x00"), DamagedError,
                  "is damaged: w is not an array by NumPy"),
    "not an array": (archive(("w.npy", b"pickle")), DamagedError, "is damaged: w is not an array"),
    "nothing": (archive(("w.npy", b"")), DamagedError, "is damaged: w is not an array by NumPy"),
    "dates": (one(described("'<M8[s]'"), bytes(16)), RefusedError, "stores w as <M8[s]"),
    "long double": (one(described("'<f16'"), bytes(32)), RefusedError, "stores w as <f16"),
    "two types": (one(described("'<f4,<f4'"), bytes(16)), RefusedError, "stores w as <f4,<f4"),
    "no such type": (one(described("'<f5'")), RefusedError, "stores w as <f5"),
    "void": (one(described("'|V4'")), RefusedError, "stores w as |V4, which does not tell"),
    "twice": (archive(("w.npy", GOOD), ("w.npy", GOOD)), RefusedError,
              "refused: its archive has two entries w.npy"),
    "steps out": (archive(("../w.npy", GOOD)), RefusedError, "refused: its archive has an entry"),
    "absolute": (archive(("/w.npy", GOOD)), RefusedError, "refused: its archive has an entry"),
    "no name": (archive((".npy", GOOD)), RefusedError, "refused: an array is called ''"),
    "more than it says": (inflates_to(40), DamagedError, "is damaged: w.npy inflates to more"),
    "less than it says": (inflates_to(4000), DamagedError, "is damaged: w.npy inflates to less"),
    "bomb": (archive(("w.npy", npy(described("'|u1'", shape=f"({200 << 20},)"), ZEROS * 200)),
                     deflated=True), RefusedError, "refused: its arrays would take 209715200"),
    "odd metadata": (archive(("__metadata__.npy", GOOD)), RefusedError,
                     "refused: __metadata__.npy is not the text that it should be"),
    "metadata of numbers": (
        archive(("__metadata__.npy", npy(described("'|S8'", shape="()"), b'{"a": 1}'))),
        DamagedError, "is damaged: its __metadata__.npy does not map names to text"),
    "metadata is no JSON": (
        archive(("__metadata__.npy", npy(described("'|S8'", shape="()"), b'{"a": 1 '))),
        DamagedError, "is damaged: its __metadata__.npy is not JSON"),
    "wrong dtypes": (
        archive(("w.npy", GOOD),
                ("__dtypes__.npy", npy(described("'|S13'", shape="()"), b'{"w": "BF16"}'))),
        RefusedError, "refused: w cannot be BF16, it is F32"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_refuses(tmp_path, case):
    content, kind, fact = CASES[case]
    path = written(tmp_path, "evil.npz", content)
    with pytest.raises(ConverterError) as error:
        for tensor in read(path).tensors.values():
            tensor.load()
    assert type(error.value) is kind
    assert str(error.value).startswith(f"evil.npz {fact}")


def test_the_good_one_is_good(tmp_path):
    """Without which the others would show nothing."""
    for content in (one(described()), one(described(), version=b"\x02\x00")):
        tensor = read(written(tmp_path, "good.npz", content)).tensors["w"]
        assert tensor.load().tolist() == [0, 0]


@pytest.mark.parametrize("deflated", [True, False])
def test_a_flipped_bit_is_noticed(tmp_path, deflated):
    data = np.random.default_rng(0).integers(0, 255, 2000, "uint8").tobytes()
    content = bytearray(
        archive(("w.npy", npy(described("'|u1'", shape="(2000,)"), data)), deflated=deflated)
    )
    content[1000] ^= 1
    with pytest.raises(DamagedError):
        read(written(tmp_path, "evil.npz", bytes(content))).tensors["w"].load()


def test_booleans_that_are_not(tmp_path):
    tensor = read(written(tmp_path, "evil.npz", one(described("'|b1'"), b"\1\2"))).tensors["w"]
    with pytest.raises(RefusedError, match=r"evil.npz refused: w stores the boolean 2"):
        tensor.load()
