"""Pickles that attack: refused before anything happens, in Paddle's files and in torch's."""

from __future__ import annotations

import os
import pickle
import runpy
from pathlib import Path

import numpy as np
import pytest

from tests.converter.crafted import (
    call,
    dict_,
    name,
    ndarray,
    number,
    pickled,
    tensor,
    text,
    torch_zip,
    tuple_,
    written,
)
from weights_converter.errors import DamagedError, RefusedError
from weights_converter.formats import read

CANARY = "canary"
ARRAY = ndarray(np.arange(6.0).reshape(2, 3))


class Attack:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def touch(canary: Path) -> str:
    return f"touch {canary}"


def attacks(canary: Path) -> dict[str, tuple[bytes, str]]:
    """Instructions that put one value on the stack, and the name that must be refused."""
    command, code = touch(canary), f"open({str(canary)!r}, 'w')"
    gadget = "numpy.testing._private.utils", "runstring"
    return {
        "system": (call("posix", "system", text(command)), "posix.system"),
        "nt": (call("nt", "system", text(command)), "nt.system"),
        "getattr": (call("builtins", "getattr", name("os", "system")), "builtins.getattr"),
        "exec": (call("builtins", "exec", text(code)), "builtins.exec"),
        "import": (call("builtins", "__import__", text("os")), "builtins.__import__"),
        "runpy": (call("runpy", "run_path", text("x.py")), "runpy.run_path"),
        "pip": (call("pip", "main", text("install")), "pip.main"),
        "popen": (call("subprocess", "Popen", text(command)), "subprocess.Popen"),
        "gadget": (call(*gadget, text(code), b"}"), ".".join(gadget)),
        "torch": (call("torch", "load", text("x")), "torch.load"),
        "numpy": (call("numpy", "load", text("x")), "numpy.load"),
        "module": (name("torch.nn.modules.linear", "Linear") + b")\x81",
                   "torch.nn.modules.linear.Linear"),
        "keras": (call("keras.models", "load_model", text("x")), "keras.models.load_model"),
        "unused": (name("os", "system"), "os.system"),
        "python 2": (call("__builtin__", "apply"), "__builtin__.apply"),
    }  # fmt: skip


@pytest.fixture
def canary(tmp_path):
    folder = tmp_path / "apart"
    folder.mkdir()
    yield folder / CANARY
    assert not (folder / CANARY).exists()


# Calls that run something, wherever they are; the others are refused among the arrays.
CERTAIN = {"system", "nt", "exec", "import", "runpy", "pip", "popen", "python 2"}


@pytest.mark.parametrize("place", ["before", "after", "as key"])
@pytest.mark.parametrize("attack", attacks(Path()))
def test_calls_are_refused_in_pdparams(tmp_path, canary, attack, place):
    bad, called = attacks(canary)[attack]
    good = text("w") + ARRAY
    content = {
        "before": pickled(b"}(", text("a"), bad, good, b"u"),
        "after": pickled(b"}(", good, text("a"), bad, b"u"),
        "as key": pickled(b"}(", bad, b"K\x01", good, b"u"),
    }[place]
    with pytest.raises(RefusedError) as error:
        read(written(tmp_path, "evil.pdparams", content))
    at = content.index(bad)
    assert str(error.value) == (
        f"evil.pdparams refused: it calls {called} (byte {at}). Nothing was executed."
    )
    assert error.value.help.startswith("a weights file never needs this. Do not open it with")


@pytest.mark.parametrize("attack", attacks(Path()))
def test_calls_before_the_file_breaks_off(tmp_path, canary, attack):
    bad, called = attacks(canary)[attack]
    content = pickled(b"}(", text("a"), bad, text("w") + ARRAY)[:-40]
    certain = attack in CERTAIN
    with pytest.raises(RefusedError if certain else DamagedError) as error:
        read(written(tmp_path, "evil.pdparams", content))
    assert (f"it calls {called} (byte {content.index(bad)})" in str(error.value)) == certain


@pytest.mark.parametrize("ending", ["pdparams", "pth"])
@pytest.mark.parametrize("attack", attacks(Path()))
def test_calls_beside_the_arrays(tmp_path, canary, attack, ending):
    """One that runs something is refused there, too; of the others the name is kept."""
    bad, called = attacks(canary)[attack]
    state = text("w") + (ARRAY if ending == "pdparams" else tensor()) + b"s"
    content = pickled(b"}(", text("state_dict"), b"}", state, text("a"), b"](", bad, b"eu")
    content = content if ending == "pdparams" else torch_zip(content)
    path = written(tmp_path, f"evil.{ending}", content)
    if attack in CERTAIN:
        with pytest.raises(
            RefusedError, match=rf"^evil.{ending} refused: it calls {called} \(byte"
        ):
            read(path)
        return
    checkpoint = read(path, key="state_dict")
    assert list(checkpoint.tensors) == ["w"] and checkpoint.tensors["w"].load().shape in [
        (2,),
        (2, 3),
    ]
    assert checkpoint.left_out == {"a": f"holds {called}"}


@pytest.mark.parametrize("attack", sorted(set(attacks(Path())) - {"module"}))
def test_calls_are_refused_in_torch_archives(tmp_path, canary, attack):
    bad, called = attacks(canary)[attack]
    content = torch_zip(pickled(b"}(", text("w"), tensor(), text("a"), bad, b"u"))
    with pytest.raises(RefusedError) as error:
        read(written(tmp_path, "evil.pth", content))
    assert str(error.value).startswith(f"evil.pth refused: it calls {called} (byte ")


def test_objects_of_unknown_classes_are_not_made(tmp_path, canary):
    """They may be modules. Only their state is looked at, whatever the class would do with it."""
    evil = name("os", "system") + b")\x81" + dict_(command=text(touch(canary))) + b"b"
    content = torch_zip(pickled(b"}(", text("w"), tensor(), text("a"), evil, b"u"))
    checkpoint = read(written(tmp_path, "odd.pth", content))
    assert list(checkpoint.tensors) == ["w"] and checkpoint.notes == ("left out: a",)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("function", [os.system, eval, exec, runpy.run_path])
def test_what_python_itself_pickles(tmp_path, canary, protocol, function):
    attack = Attack(function, touch(canary))
    content = pickle.dumps({"w": np.ones(3), "x": attack}, protocol)
    with pytest.raises(RefusedError, match=r"evil.pdparams refused: it calls "):
        read(written(tmp_path, "evil.pdparams", content))


def eval_call(expression: bytes, names: bytes, *more: bytes) -> bytes:
    return call("builtins", "eval", expression, names, *more)


EVALS = {
    "space": eval_call(text("data "), dict_(data=ARRAY)),
    "code": eval_call(text("__import__('os')"), dict_(data=ARRAY)),
    "bytes": eval_call(b"C\x04data", dict_(data=ARRAY)),
    "two names": eval_call(text("data"), dict_(data=ARRAY, __builtins__=b"}")),
    "other name": eval_call(text("data"), dict_(date=ARRAY)),
    "no array": eval_call(text("data"), dict_(data=b"K\x01")),
    "no dict": eval_call(text("data"), tuple_(ARRAY)),
    "third argument": eval_call(text("data"), dict_(data=ARRAY), b"}"),
    "one argument": call("builtins", "eval", text("data")),
    "no argument": call("builtins", "eval"),
}


@pytest.mark.parametrize("case", EVALS)
def test_eval_in_any_other_form_is_refused(tmp_path, case):
    path = written(tmp_path, "evil.pdparams", pickled(dict_(w=EVALS[case])))
    with pytest.raises(RefusedError, match=r"it calls builtins.eval with something else than"):
        read(path)


def test_eval_in_paddles_form_is_not_evaluated(tmp_path, monkeypatch):
    monkeypatch.setattr("builtins.eval", lambda *arguments: pytest.fail("evaluated"))
    content = pickled(dict_(w=eval_call(text("data"), dict_(data=ARRAY))))
    array = read(written(tmp_path, "fine.pdparams", content)).tensors["w"].load()
    assert np.array_equal(array, np.arange(6.0).reshape(2, 3))


def test_torch_archives_may_not_mention_eval(tmp_path):
    content = torch_zip(pickled(dict_(w=eval_call(text("data"), dict_(data=ARRAY)))))
    with pytest.raises(RefusedError, match=r"it calls builtins.eval"):
        read(written(tmp_path, "evil.pth", content))


ARRAYS = {
    "too few bytes": ndarray(np.ones(3), data=b"x" * 8),
    "too many bytes": ndarray(np.ones(3), data=b"x" * 32),
    "no state": call(
        "numpy.core.multiarray", "_reconstruct", name("numpy", "ndarray"), b")", b"N"
    ) + b"]b",
    "negative": ndarray(np.ones((1, 1))).replace(
        tuple_(number(1), number(1)), tuple_(number(-1), number(-1))
    ),
    "2**62 elements": ndarray(np.ones((1, 1))).replace(
        tuple_(number(1), number(1)), tuple_(number(2**31), number(2**31))
    ),
    "33 axes": ndarray(np.ones((1, 1))).replace(
        tuple_(number(1), number(1)), tuple_(*[number(1)] * 33)
    ),
    "bool as size": ndarray(np.ones((1, 1))).replace(
        tuple_(number(1), number(1)), tuple_(b"\x88", number(1))
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ARRAYS)
def test_arrays_that_lie(tmp_path, case):
    path = written(tmp_path, "evil.pdparams", pickled(dict_(w=ARRAYS[case])))
    with pytest.raises(RefusedError, match=r"refused: it builds an object numpy.ndarray"):
        read(path)


def test_booleans_that_are_not(tmp_path):
    content = pickled(dict_(w=ndarray(np.ones(2, bool), data=b"\1\2")))
    lazy = read(written(tmp_path, "evil.pdparams", content)).tensors["w"]
    with pytest.raises(RefusedError, match=r"evil.pdparams refused: w stores the boolean 2"):
        lazy.load()


@pytest.mark.parametrize(
    "array_name",
    ["", "a\x00b", "a\nb", "\x1b[31mred", "../../x", "a/./x", "/etc/x", "a\\b", "n" * 2000],
)
def test_names_that_attack(tmp_path, array_name):
    content = pickled(b"}", text(array_name), ARRAY, b"s")
    with pytest.raises(RefusedError, match=r"evil.pdparams refused: an array is called ") as error:
        read(written(tmp_path, "evil.pdparams", content))
    assert str(error.value).isprintable()


@pytest.mark.parametrize("value", [[1, 2], "text", 3, None, (1,), {}, {"epoch": 3}, {"a": [1]}])
def test_what_is_no_state_dict(tmp_path, value):
    path = written(tmp_path, "x.pdparams", pickle.dumps(value, 2))
    with pytest.raises(DamagedError, match=r"x.pdparams holds (a|no) .*state dict"):
        read(path)


def test_a_number_for_a_name(tmp_path):
    with pytest.raises(RefusedError, match=r"an array is called a int"):
        read(written(tmp_path, "x.pdparams", pickled(b"}K\x01", ARRAY, b"s")))
