"""A child process that crashes, hangs or lies to the one that asks it."""

from __future__ import annotations

import gc
import time

import pytest

from tests.converter.watching import children
from tests.quick import quick
from weights_converter.errors import DamagedError, RefusedError
from weights_converter.formats.isolated import process as isolated_process
from weights_converter.formats.isolated.protocol import (
    CONTENT,
    ERROR,
    unpack_error,
    unpack_index,
)
from weights_converter.formats.isolated.reader import read_isolated

INDEX = """
import json
def index(*arrays, layout="keras", notes=(), metadata={}, scalars={}, left_out={}, files=()):
    facts = [arrays, "keras-h5", layout, notes, metadata, scalars, left_out, files]
    answer(json.dumps(facts).encode())
"""
LYING = f"""
import os, struct, sys, time
def answer(content, kind=b"C"):
    os.write(1, struct.pack("<cQ", kind, len(content)) + content)
{INDEX}
"""


def fooled(monkeypatch, tmp_path, code, seconds=20.0, **limits):
    """What reading every array comes to if the process runs `code`."""
    monkeypatch.setattr(isolated_process, "PROGRAM", LYING + code)
    tensors = read_isolated(tmp_path / "x", seconds=seconds, **limits).tensors
    return {name: tensor.load() for name, tensor in tensors.items()}


def test_an_honest_liar(tmp_path, monkeypatch):
    """The stage of the tests below works."""
    code = "index(['a', 'U8', [3]]); sys.stdin.read(1); answer(b'abc'); time.sleep(60)"
    assert fooled(monkeypatch, tmp_path, code)["a"].tobytes() == b"abc"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("os.kill(os.getpid(), 11)", "ended with SIGSEGV"),
        ("os.abort()", "ended with SIGABRT"),
        ("os._exit(3)", "ended with status 3"),
        ("raise TypeError", "ended with status 1"),
        ("os.write(1, b'C')", "ended with status 0"),
        ("index(['a', 'U8', [3]]); sys.stdin.read(1); os.kill(os.getpid(), 11)", "SIGSEGV"),
        ("index(['a', 'U8', [3]]); os.close(0); os.close(1)", "ended with status 0"),
        ("index(['a', 'U8', [3]]); sys.stdin.read(1); answer(b'ab'); time.sleep(9)", "impossible"),
        (
            "index(['a', 'U8', [3]]); sys.stdin.read(1); answer(b'abcd'); time.sleep(9)",
            "impossible",
        ),
        ("index(['a', 'BOOL', [1]]); sys.stdin.read(1); answer(b'x')", "impossible"),
        ("index(['a', 'O8', [3]])", "impossible"),
        ("answer(b'[\"Exception\", \"x\", null]', b'E')", "impossible"),
        ("answer(b'x', b'Z')", "impossible"),
        ("os.write(1, struct.pack('<cQ', b'C', 1 << 60)); time.sleep(9)", "impossible"),
        ("os.write(1, struct.pack('<cQ', b'E', 1 << 60)); time.sleep(9)", "impossible"),
    ],
)
def test_crashes_and_lies(tmp_path, monkeypatch, code, said):
    start, before = time.monotonic(), children()
    with pytest.raises(DamagedError, match=rf"x is damaged: the process that read it .*{said}"):
        fooled(monkeypatch, tmp_path, code)
    gc.collect()
    assert time.monotonic() - start < 15 and not children() - before


IMPOSSIBLE = [
    "index(['a', 'O8', [3]])",
    "index(['a', 'U8', [-3]])",
    "index(['a', 'U8', 3])",
    "index(['a\\n', 'U8', [3]])",
    "index(['', 'U8', [3]])",
    "index([7, 'U8', [3]])",
    "index(['a', 'U8'])",
    "index(['a', 'U8', [3]], ['a', 'U8', [4]])",
    "index(layout='x')",
    "index(layout=[])",
    "index(notes=[3])",
    "index(metadata={'a': 3})",
    "index(metadata=3)",
    "index(scalars={'a': [3]})",
    "index(left_out={'a': 3})",
    "index(left_out=3)",
    "index(files=['../a'])",
    "index(files=['..'])",
    "index(files=[3])",
    "index(files={})",
    "answer(b'[' * 100000)",
    "answer(b'[' + b'[],' * (1 << 22) + b'1]')",
    "answer(b'7')",
    "answer(b'\\xff')",
    "answer(b'[\"Exception\", \"x\", null]', b'E')",
    "answer(b'[\"SystemExit\", \"x\", null]', b'E')",
    "answer(b'{}', b'E')",
]


@pytest.mark.parametrize("code", IMPOSSIBLE)
def test_an_answer_that_is_impossible(code):
    """As it is taken apart; test_crashes_and_lies has what becomes of such answers."""
    answers = []
    known = {"answer": lambda content, kind=CONTENT: answers.append((content, kind))}
    exec(compile(INDEX + code, "a liar", "exec"), known)
    [(content, kind)] = answers
    with pytest.raises(ValueError):
        (unpack_error if kind == ERROR else unpack_index)(content)


def test_an_answer_that_is_possible():
    """The stage of the tests above works."""
    answers = []
    code = "index(['a', 'U8', [3]], notes=['n'], metadata={'a': 'b'}, scalars={'c': 3})"
    exec(INDEX + code, {"answer": answers.append})
    assert unpack_index(*answers).entries == (("a", "U8", (3,)),)
    assert str(unpack_error(b'["DamagedError", "x", null]')) == "x"


DELAYS = [
    "time.sleep(600)",
    "index(['a', 'U8', [900]]); sys.stdin.read(1)\n"
    "os.write(1, struct.pack('<cQ', b'C', 900))\nwhile True: os.write(1, b'x'); time.sleep(.1)",
    "while True: pass",
    "os.write(1, b'C'); time.sleep(600)",
    "index(['a', 'U8', [3]]); sys.stdin.read(1); time.sleep(600)",
]


@pytest.mark.parametrize("code", quick(DELAYS[:2], DELAYS))
def test_delays(tmp_path, monkeypatch, code):
    start = time.monotonic()
    with pytest.raises(DamagedError, match="the process that read it took more than") as error:
        fooled(monkeypatch, tmp_path, code, seconds=1.5)
    assert time.monotonic() - start < 15
    assert error.value.help == "if it is only large, or the disk slow, allow it more time"


@pytest.mark.slow
def test_all_answers_share_the_time(tmp_path, monkeypatch):
    """A file of many arrays, each a little slow, does not take for ever."""
    code = "index(*([str(i), 'U8', [1]] for i in range(1000)))\n"
    code += "while sys.stdin.buffer.read(8): time.sleep(.4); answer(b'x')"
    monkeypatch.setattr(isolated_process, "PROGRAM", LYING + code)
    tensors = read_isolated(tmp_path / "x", seconds=4).tensors
    time.sleep(4.5)  # the time between the questions does not count
    start, count = time.monotonic(), 0
    with pytest.raises(DamagedError, match="took more than 4 seconds"):
        for count, tensor in enumerate(tensors.values()):  # noqa: B007
            tensor.load()
    assert 1 <= count <= 10 and time.monotonic() - start < 12
    with pytest.raises(DamagedError, match="took more than 4 seconds"):
        tensors["0"].load()


def test_a_larger_index_than_memory(tmp_path, monkeypatch):
    code = f"index(['a', 'F64', [{1 << 50}]]); time.sleep(60)"
    with pytest.raises(RefusedError, match="may use 2147483648"):
        fooled(monkeypatch, tmp_path, code)


def test_the_words_of_a_liar_are_one_line(tmp_path, monkeypatch):
    code = "answer(json.dumps(['RefusedError', 'a\\nb\\x1b[2J', None]).encode(), b'E')"
    with pytest.raises(RefusedError) as error:
        fooled(monkeypatch, tmp_path, code)
    assert str(error.value) == r"'a\nb\x1b[2J'"
