"""Pickles that ask for too much: five seconds and the stated memory are enough for each."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.converter import hostile_pickles
from tests.converter.crafted import tensor, torch_zip, written
from tests.converter.hostile_pickles import PLAIN, TORCH
from tests.converter.measuring import measuring
from tests.quick import quick

SECONDS = 5
MIB = 1 << 20
SLACK = 12 * MIB  # buffers, and what Python sets aside
SIZE = 1000  # of each attack; its file has 3 kB to 4 MB


def described(size: int) -> int:
    """Bytes that what a file of `size` bytes describes may take, by SECURITY.md."""
    return min(max(128 * size, 4 * MIB), 128 * MIB)


@pytest.fixture(scope="module")
def measured():
    """What came of reading a file; time, memory and what it touched are checked."""
    with measuring() as measure:

        def checked(path: Path, load: bool = False) -> str:
            figures = measure(path, load)
            assert figures["seconds"] < SECONDS
            assert figures["grown"] < described(path.stat().st_size) + SLACK
            assert figures["deeds"] == []
            return str(figures["fate"])

        yield checked


# Another family of the same instructions stays in `make test`.
ALIKE = {
    "copies by frozenset",
    "copies by tuple of Python 2",
    "copies by list",
    "copies by OrderedDict",
    "copies by deque",
    "empty dicts",
    "empty frozensets",
    "dicts of one",
    "sets of one",
    "sets by a call",
    "OrderedDicts",
    "dtypes",
    "names of attributes",
    "one tuple, many names",
    "keys that collide, negative",
    "keys that collide, tuples",
    "keys of powers of two",
}
SPENT = r"RefusedError: x.\w+ refused: it describes more objects than its \d+ bytes can hold"
ALONE = (
    rf"({SPENT}|DamagedError: x.pdparams holds (a [\w.]+, not a|no) state dict.*"
    r"|RefusedError: x.pdparams refused: it calls .* \(byte \d+\). Nothing was executed.)"
)


@pytest.mark.parametrize("family", quick(PLAIN.keys() - ALIKE, PLAIN))
def test_as_all_of_a_file(tmp_path, family, measured):
    path = written(tmp_path, "x.pdparams", hostile_pickles.paddle_file(PLAIN[family], SIZE))
    assert re.fullmatch(ALONE, measured(path))


@pytest.mark.slow
@pytest.mark.parametrize("family", PLAIN)
def test_beside_a_state_dict(tmp_path, family, measured):
    path = written(tmp_path, "x.pth", hostile_pickles.beside_a_state_dict(PLAIN[family], SIZE))
    assert re.fullmatch(rf"read|{SPENT}", measured(path, load=True))


@pytest.mark.parametrize("family", TORCH)
def test_of_tensors(tmp_path, family, measured):
    path = written(tmp_path, "x.pth", hostile_pickles.torch_file(TORCH[family], SIZE))
    assert re.fullmatch(
        rf"read|{SPENT}|UsageError: x.pth holds several state dicts: n0 .* and \d+ more"
        r"|RefusedError: x.pth refused: (its modules are nested more than 64 deep|an array is .*)",
        measured(path, load=True),
    )


@pytest.mark.parametrize("axes", quick([12, 16], [12, 16, 20]))
def test_a_view_that_goes_over_its_storage_again_and_again(tmp_path, axes, measured):
    """2**n elements, each far from the next, and all in a few places."""
    step = 5 << 18
    numel = axes * step + 1
    one = tensor((2,) * axes, (step,) * axes, numel=numel, storage="ByteStorage")
    content = hostile_pickles.pickled(hostile_pickles.dict_(w=one))
    path = written(tmp_path, "x.pth", torch_zip(content, {"0": bytes(numel)}))
    fate = measured(path, load=True)
    assert fate == "read" or fate.startswith("RefusedError: x.pth refused: its arrays would take ")
