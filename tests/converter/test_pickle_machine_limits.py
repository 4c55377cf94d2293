"""What ends a pickle that is too deep, too long, truncated or lies about its lengths."""

from __future__ import annotations

import io
import pickle
import pickletools
import struct
from collections import OrderedDict

import pytest

from tests.converter.crafted import pickled
from tests.converter.machines import run
from weights_converter.errors import DamagedError, RefusedError


def test_deep_tuples(tmp_path):
    assert run(tmp_path, pickled(b")" + b"\x85" * 199))
    with pytest.raises(RefusedError, match=r"nests tuples more than 200 deep"):
        run(tmp_path, pickled(b")" + b"\x85" * 200_000))


def test_deep_lists_and_dicts_are_harmless(tmp_path):
    assert run(tmp_path, pickled(b"]" * 100_000 + b"a" * 99_999))
    assert run(tmp_path, pickled(b"}K\x00" * 99_999 + b"}" + b"s" * 99_999))


def test_too_many_instructions(tmp_path):
    with pytest.raises(RefusedError, match=r"more than 1000000 instructions"):
        run(tmp_path, pickled(b"K\x00" * 1_000_001))


def test_the_longest_memo_index_takes_no_memory(tmp_path):
    assert run(tmp_path, pickled(b"Nr" + struct.pack("<I", 0x0FFFFFFF))) is None


def test_doubling_takes_no_memory(tmp_path):
    doubling = b"".join(b"h" + bytes([i, 0x68, i]) + b"\x86q" + bytes([i + 1]) for i in range(40))
    content = b"]q\x00" + doubling
    with pytest.raises(DamagedError, match=r"40 values are left over"):
        run(tmp_path, pickled(content))


@pytest.mark.parametrize("length", [1 << 40, (1 << 64) - 1])
@pytest.mark.parametrize("code", [b"\x8d", b"\x8e"])
def test_announced_lengths_are_not_allocated(tmp_path, code, length):
    with pytest.raises(DamagedError, match=r"is truncated: its pickle needs byte"):
        run(tmp_path, pickled(code + struct.pack("<Q", length) + b"x"))


def test_truncated_everywhere(tmp_path):
    content = pickle.dumps([{"a": (1, 2.5, "t", b"b" * 300)}, 2**80, OrderedDict(x=None)], 4)
    assert len(list(pickletools.genops(io.BytesIO(content)))) > 20
    for end in range(2, len(content)):
        with pytest.raises(DamagedError):
            run(tmp_path, content[:end])
