"""safetensors files that lie, one literal file for each rule."""

from __future__ import annotations

import json
import struct

import pytest

from tests.converter.crafted import safetensors, written
from weights_converter.errors import ConverterError, DamagedError, RefusedError
from weights_converter.formats import read

FOUR = bytes(4)


def entry(shape=(1,), begin=0, end=4, dtype="F32", **more):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end], **more}


def made(header: dict[str, object], data: bytes = FOUR) -> bytes:
    return safetensors(json.dumps(header).encode(), data)


ONE = json.dumps(entry()).encode()
CASES = {
    "overlap": (made({"a": entry(), "b": entry()}), RefusedError, "refused: b overlaps another"),
    "gap": (made({"a": entry(), "b": entry(begin=8, end=12)}, bytes(12)), RefusedError,
            "refused: b leaves a gap before it"),
    "gap at the start": (made({"a": entry(begin=4, end=8)}, bytes(8)), RefusedError,
                         "refused: a leaves a gap before it"),
    "trailing bytes": (made({"a": entry()}, bytes(8)), RefusedError,
                       "refused: 4 bytes follow its last array"),
    "truncated": (made({"a": entry((2,), end=8)}), DamagedError,
                  "is truncated: its arrays end at byte"),
    "header past the end": (struct.pack("<Q", 1000) + b"{}", DamagedError,
                            "is truncated: byte 1008 is needed"),
    "header of 2**63": (struct.pack("<Q", 2**63) + b"{}", DamagedError,
                        "is not a weights file of a known format"),
    "header of 2**31": (struct.pack("<Q", 2**31) + b"{}", DamagedError,
                        "is damaged: its header would have 2147483648 bytes"),
    "name twice": (safetensors(b'{"a":' + ONE + b',"a":' + ONE + b"}", FOUR), RefusedError,
                   "refused: its header has a twice"),
    "field twice": (
        safetensors(b'{"a":{"dtype":"F32","dtype":"I32","shape":[1],"data_offsets":[0,4]}}', FOUR),
        RefusedError, "refused: its header has dtype twice"),
    "shape overflow": (made({"a": entry((2, 2**63))}), DamagedError,
                       "is damaged: a has an impossible shape"),
    "negative size": (made({"a": entry((-1,))}), DamagedError, "is damaged: a has an impossible"),
    "bool size": (made({"a": entry((True,))}), DamagedError, "is damaged: a has an impossible"),
    "shape is text": (made({"a": {**entry(), "shape": "1"}}), DamagedError,
                      "is damaged: a has an impossible shape"),
    "float offset": (made({"a": entry(begin=0.0, end=4.0)}), DamagedError,
                     "is damaged: a has impossible offsets"),
    "negative offset": (made({"a": entry(begin=-4, end=0)}), DamagedError,
                        "is damaged: a has impossible offsets"),
    "three offsets": (made({"a": {**entry(), "data_offsets": [0, 2, 4]}}), DamagedError,
                      "is damaged: a has impossible offsets"),
    "end before begin": (made({"a": entry((1,), 4, 0)}), RefusedError,
                         "refused: a needs 4 bytes and is given -4"),
    "too small": (made({"a": entry((2,))}), RefusedError, "refused: a needs 8 bytes and is"),
    "unknown dtype": (made({"a": entry(dtype="F31")}), RefusedError, "stores a as F31"),
    "dtype is a list": (made({"a": entry(dtype=["F32"])}), RefusedError, "stores a as ['F32']"),
    "metadata of numbers": (made({"__metadata__": {"x": 1}, "a": entry()}), DamagedError,
                            "is damaged: its __metadata__ does not map names to text"),
    "metadata is a list": (made({"__metadata__": [], "a": entry()}), DamagedError,
                           "is damaged: its __metadata__ does not map"),
    "more fields": (made({"a": entry(evil=1)}), RefusedError, "refused: a is not described by"),
    "fewer fields": (made({"a": {"dtype": "F32"}}), RefusedError, "refused: a is not described by"),
    "entry is a list": (made({"a": []}), RefusedError, "refused: a is not described by"),
    "not JSON": (safetensors(b"{" + b"x" * 20), DamagedError, "is damaged: its header is not JSON"),
    "UTF-16": (safetensors(b"{\0}\0"), DamagedError, "is damaged: its header is not JSON"),
    "not UTF-8": (safetensors(b'{"\xff\xff\xff":1}'), DamagedError, "is damaged: its header is"),
    "deep JSON": (safetensors(b'{"a":' + b"[" * 200_000), DamagedError, "is damaged: its header"),
    "long number": (safetensors(b'{"a":' + b"9" * 5000 + b"}"), DamagedError, "is damaged: its"),
    "NaN as size": (safetensors(b'{"a":{"dtype":"F32","shape":[NaN],"data_offsets":[0,4]}}', FOUR),
                    DamagedError, "is damaged: a has an impossible shape"),
    "steps out": (made({"../../etc/x": entry()}), RefusedError,
                  "refused: an array is called ../../etc/x"),
    "NUL in a name": (made({"a\0b": entry()}), RefusedError,
                      "refused: an array is called 'a\\x00b'"),
    "half a pair": (safetensors(b'{"\\ud800":' + ONE + b"}", FOUR), RefusedError,
                    "refused: an array is called '\\ud800'"),
    "no name": (made({"": entry()}), RefusedError, "refused: an array is called ''"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_refuses(tmp_path, case):
    content, kind, fact = CASES[case]
    with pytest.raises(ConverterError) as error:
        read(written(tmp_path, "evil.safetensors", content))
    assert type(error.value) is kind
    assert str(error.value).startswith(f"evil.safetensors {fact}")


def test_booleans_that_are_not(tmp_path):
    content = made({"a": entry((4,), dtype="BOOL")}, b"\0\1\2\1")
    tensor = read(written(tmp_path, "evil.safetensors", content)).tensors["a"]
    with pytest.raises(RefusedError, match=r"evil.safetensors refused: a stores the boolean 2"):
        tensor.load()


def test_ten_million_dimensions_of_nothing(tmp_path):
    content = made({"a": entry((0, 2**62, 2**62), end=0)}, b"")
    with pytest.raises(DamagedError, match=r"a has an impossible shape"):
        read(written(tmp_path, "evil.safetensors", content))
