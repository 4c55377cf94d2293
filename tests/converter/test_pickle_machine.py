"""The pickle machine: it agrees with Python's on plain data, and knows nothing else."""

from __future__ import annotations

import pickle
import pickletools
import re
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.converter.crafted import (
    binary,
    call,
    dict_,
    name,
    ndarray,
    number,
    pickled,
    text,
    tuple_,
    written,
)
from tests.converter.machines import run
from weights_converter.errors import ConverterError, DamagedError, RefusedError
from weights_converter.formats import read
from weights_converter.formats.pickles.emit import Emitter
from weights_converter.formats.pickles.stream import INLINE
from weights_converter.formats.pickles.values import Global, Inert, Span

KEYS = st.one_of(st.text(max_size=5), st.integers(), st.binary(max_size=5), st.none())
LEAVES = st.one_of(KEYS, st.booleans(), st.floats(allow_nan=False), st.integers(-(2**70), 2**70))
PLAIN = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=5).map(tuple),
        st.dictionaries(KEYS, inner, max_size=4),
        st.dictionaries(KEYS, inner, max_size=3).map(OrderedDict),
    ),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None)
@given(value=PLAIN, protocol=st.sampled_from([2, 3, 4, 5]))
def test_agrees_with_python_on_plain_data(tmp_path_factory, value, protocol):
    folder = tmp_path_factory.getbasetemp()
    result = run(folder, pickle.dumps(value, protocol))
    assert result == value and repr(result) == repr(value)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_shared_values_stay_shared(tmp_path, protocol):
    inner = [1]
    result = run(tmp_path, pickle.dumps([inner, inner, (inner,)], protocol))
    assert result[0] is result[1] is result[2][0]


@pytest.mark.parametrize("value", ["x" * (INLINE + 1), b"y" * (INLINE + 1)])
def test_long_strings_stay_in_the_file(tmp_path, value):
    content = pickle.dumps([value], 4)
    (span,) = run(tmp_path, content)
    assert isinstance(span, Span) and span.text == isinstance(value, str)
    raw = value.encode() if isinstance(value, str) else value
    assert content[span.offset : span.offset + span.length] == raw


@pytest.mark.parametrize("length", [INLINE, 255, 256, 0])
def test_short_strings_do_not(tmp_path, length):
    assert run(tmp_path, pickle.dumps("x" * length, 4)) == "x" * length


def test_the_emitter_agrees_with_python(tmp_path):
    emit = Emitter(protocol=2)
    sizes = (0, 255, 256, 65536, 2**31 - 1, 2**31, 2**40)
    emit.numbers(sizes)
    emit.instruction(".")
    assert pickle.loads(emit.take()) == sizes


def test_inert_objects_are_only_names(tmp_path):
    built = name("argparse", "Namespace") + b")\x81}" + text("lr") + b"K\x01sb"
    assert run(tmp_path, pickled(built)) == Inert("argparse.Namespace")
    assert run(tmp_path, pickled(name("builtins", "list"))) == Global("builtins.list")


def test_strings_of_python_2(tmp_path):
    """It had one type for text and bytes."""
    raw = b"U\x03abcU\x02\xff\xfeT\x04\0\0\0text"
    assert run(tmp_path, pickled(b"](" + raw + b"e")) == ["abc", b"\xff\xfe", "text"]
    with pytest.raises(DamagedError, match=r"the string at byte \d+ has a length below 0"):
        run(tmp_path, pickled(b"T\xff\xff\xff\xff"))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_sets_are_their_items(tmp_path, protocol):
    for kind in (set, frozenset):
        found = run(tmp_path, pickle.dumps(kind(["a"]), protocol))
        assert isinstance(found, Inert) and found.state == ["a"]


# Every instruction of Python's that the machine does not have.
SUPPORTED = set("KMJGXCB)]}(01taesuqrhjcQRb.N") | set(
    "\x80\x95\x85\x86\x87\x88\x89\x8a\x8c\x8d\x8e\x94\x93\x81\x92UT\x8f\x90\x91\x96"
)
UNKNOWN = sorted({op.code for op in pickletools.opcodes} - SUPPORTED)


@pytest.mark.parametrize("code", UNKNOWN, ids=[pickletools.code2op[c].name for c in UNKNOWN])
def test_refuses_other_instructions(tmp_path, code):
    with pytest.raises(RefusedError) as error:
        run(tmp_path, pickled(b"]", code.encode("latin-1"), b"\n0" * 9))
    raw = code.encode("latin-1")
    assert str(error.value) == (
        f"x.pdparams refused: its pickle has the instruction {raw!r} (byte 3). "
        "Nothing was executed."
    )
    assert "Do not open it with paddle.load" in error.value.help


LIST = b"]"
CASES = {
    "no operand": (b"\x85", DamagedError, "is damaged: an instruction lacks its operand (byte 2"),
    "operand under mark": (b"](\x85", DamagedError, "is damaged: an instruction lacks its operand"),
    "no mark": (b"t", DamagedError, "is damaged: an instruction lacks its mark"),
    "nothing to return": (b"", DamagedError, "is damaged: an instruction lacks its operand"),
    "two values": (b"]]", DamagedError, "is damaged: 1 values are left over"),
    "unknown memo": (b"h\x07", DamagedError, "is damaged: it refers to the value 7"),
    "odd items": (b"}(K\x01u", DamagedError, "is damaged: a key lacks its value"),
    "not UTF-8": (b"X\x02\0\0\0\xff\xfe", DamagedError, "is damaged: the text before byte 9 is"),
    "endless name": (b"c" + b"a" * 300, DamagedError, "is damaged: the name at byte 3 has no end"),
    "protocol 255": (b"\x80\xff", RefusedError, "refused: its pickle has the protocol 255"),
    "list key": (b"}]K\x01s", RefusedError, "refused: its pickle has a key of type list"),
    "item of a list": (b"]K\x00K\x01s", RefusedError, "refused: its pickle sets items of a list"),
    "append to a dict": (b"}K\x01a", RefusedError, "refused: its pickle appends to a dict"),
    "append to a tuple": (b")K\x01a", RefusedError, "refused: its pickle appends to a tuple"),
    "build a dict": (b"}}b", RefusedError, "refused: its pickle changes the state of a dict"),
    "build a list": (b"]}b", RefusedError, "refused: its pickle changes the state of a list"),
    "odd dict state": (call("collections", "OrderedDict") + b"]b", RefusedError,
                       "refused: its pickle changes the state of a OrderedDict"),
    "persistent id": (b"K\x01Q", RefusedError, "refused: its pickle refers to data outside of it"),
    "call of a number": (b"K\x01)R", RefusedError, "refused: it calls a int"),
    "call with a list": (name("builtins", "tuple") + b"]R", RefusedError,
                         "refused: it calls a Global"),
    "object": (name("builtins", "tuple") + b")\x81", RefusedError,
               "refused: it creates an object of builtins.tuple"),
    "name from numbers": (b"K\x01K\x02\x93", RefusedError,
                          "refused: its pickle names something in an odd way"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_refuses(tmp_path, case):
    content, kind, fact = CASES[case]
    with pytest.raises(ConverterError) as error:
        run(tmp_path, pickled(content))
    assert type(error.value) is kind
    assert str(error.value).startswith(f"x.pdparams {fact}")


UNKNOWN_VALUES = {
    "call of a dtype name": (call("numpy", "ndarray"), "numpy.ndarray which is not for calling"),
    "dotted name": (text("builtins") + text("list.append") + b"\x93", "builtins.list.append"),
    "dict with arguments": (
        call("collections", "OrderedDict", b"]"), "collections.OrderedDict with arguments"),
    "encode as utf-8": (
        call("_codecs", "encode", text("a"), text("utf-8")), "_codecs.encode with something else"),
    "encode the euro": (
        call("_codecs", "encode", text("\u20ac"), text("latin1")),
        "_codecs.encode with characters that are no bytes"),
    "dtype of objects": (
        call("numpy", "dtype", text("O")), "numpy.dtype for elements that are not numbers"),
    "subclass": (
        call("numpy.core.multiarray", "_reconstruct", name("numpy", "dtype"), b")", b"N"),
        "numpy.core.multiarray._reconstruct for "),
    "scalar of 3 bytes": (
        call("numpy.core.multiarray", "scalar", call("numpy", "dtype", text("f4")), binary(b"abc")),
        "numpy.core.multiarray.scalar with another number"),
    "bool of 2": (
        call("numpy.core.multiarray", "scalar", call("numpy", "dtype", text("b1")), binary(b"\2")),
        "numpy.core.multiarray.scalar that stores the boolean 2"),
    "unknown": (call("fractions", "Fraction", number(1)), "fractions.Fraction (byte "),
    "object with options": (
        name("attr", "Options") + b")}\x92", "attr.Options (byte "),
    "attribute": (
        call("builtins", "getattr", name("models", "Outer"), text("Inner")),
        "models.Outer.Inner (byte "),
    "method": (
        call("builtins", "getattr", name("attr", "Options") + b")\x81", text("run")),
        "builtins.getattr (byte "),
}  # fmt: skip
ARRAY = ndarray(np.arange(6.0).reshape(2, 3))


@pytest.mark.parametrize("case", UNKNOWN_VALUES)
def test_what_is_not_known_is_refused_among_the_arrays_only(tmp_path, case):
    unknown, fact = UNKNOWN_VALUES[case]
    inside = pickled(dict_(w=ARRAY, x=b"](" + unknown + b"e"))
    with pytest.raises(RefusedError) as error:
        read(written(tmp_path, "x.pdparams", inside))
    assert str(error.value).startswith(f"x.pdparams refused: it calls {fact}")
    outside = pickled(dict_(state_dict=dict_(w=ARRAY), epoch=number(3), x=b"](" + unknown + b"e"))
    checkpoint = read(written(tmp_path, "y.pdparams", outside))
    assert list(checkpoint.tensors) == ["w"] and checkpoint.scalars == {"epoch": 3}
    assert checkpoint.left_out == {"x": f"holds {fact.split()[0]}"}
    alone = pickled(dict_(epoch=number(3), x=unknown))
    with pytest.raises(RefusedError, match=f"it calls {re.escape(fact)}"):
        read(written(tmp_path, "z.pdparams", alone))


def test_values_that_are_taken_back(tmp_path):
    """Python drops a value where an object turned out to be part of itself."""
    assert run(tmp_path, pickled(b"]K\x010")) == []
    assert run(tmp_path, pickled(b"](K\x01K\x021")) == []
    inner: list[object] = []
    loop = (inner,)
    inner.append(loop)
    for protocol in (2, 3, 4, 5):
        result = run(tmp_path, pickle.dumps(loop, protocol))
        assert type(result) is tuple and result[0][0] is result


def test_keys_that_are_no_names(tmp_path):
    value = {(1, 2): "a", frozenset([1]): "b", 2.5: "c", 1 << 70: "d", "e": "e"}
    result = run(tmp_path, pickle.dumps(value, 4))
    assert list(result.values()) == ["a", "b", "c", "d", "e"]
    assert result[2.5] == "c" and result[1 << 70] == "d" and (1, 2) not in result
    with pytest.raises(RefusedError, match="an array is called a tuple"):
        read(written(tmp_path, "x.pdparams", pickled(b"})", ARRAY, b"s")))


def test_refuses_trailing_bytes(tmp_path):
    with pytest.raises(RefusedError, match=r"4 bytes follow the end of its pickle"):
        run(tmp_path, pickled(LIST) + b"more")


def test_a_dict_may_hold_itself(tmp_path):
    content: dict[str, object] = {}
    content["me"] = content
    result = run(tmp_path, pickle.dumps(content, 2))
    assert result["me"] is result


def test_numbers_of_every_width(tmp_path):
    for value in (0, -1, 255, 256, -(2**31), 2**31, -(2**63), 2**2000):
        assert run(tmp_path, pickled(number(value))) == value
        assert run(tmp_path, pickle.dumps(value, 2)) == value
    assert run(tmp_path, pickled(tuple_())) == ()
