"""Pickles that ask for too much: five seconds and the stated memory are enough for each."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.converter import hostile_pickles
from tests.converter.crafted import tensor, torch_zip, written
from tests.converter.hostile_pickles import PLAIN, TORCH

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("read_and_measure.py")
SECONDS = 5
MIB = 1 << 20
SLACK = 12 * MIB  # buffers, and what Python sets aside
SIZE = 1000  # of each attack; its file has 3 kB to 4 MB


def described(size: int) -> int:
    """Bytes that what a file of `size` bytes describes may take, by SECURITY.md."""
    return min(max(128 * size, 4 * MIB), 128 * MIB)


def measured(path: Path, *options: str) -> str:
    """What came of reading the file; time, memory and what it touched are checked."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(SCRIPT), str(path), *options]
    process = subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    assert process.returncode == 0, process.stderr[-500:]
    figures = json.loads(process.stdout)
    assert figures["seconds"] < SECONDS
    assert figures["grown"] < described(path.stat().st_size) + SLACK
    assert figures["deeds"] == []
    return str(figures["fate"])


SPENT = r"RefusedError: x.\w+ refused: it describes more objects than its \d+ bytes can hold"
ALONE = (
    rf"({SPENT}|DamagedError: x.pdparams holds (a [\w.]+, not a|no) state dict.*"
    r"|RefusedError: x.pdparams refused: it calls .* \(byte \d+\). Nothing was executed.)"
)


@pytest.mark.parametrize("family", PLAIN)
def test_as_all_of_a_file(tmp_path, family):
    path = written(tmp_path, "x.pdparams", hostile_pickles.paddle_file(PLAIN[family], SIZE))
    assert re.fullmatch(ALONE, measured(path))


@pytest.mark.slow
@pytest.mark.parametrize("family", PLAIN)
def test_beside_a_state_dict(tmp_path, family):
    path = written(tmp_path, "x.pth", hostile_pickles.beside_a_state_dict(PLAIN[family], SIZE))
    assert re.fullmatch(rf"read|{SPENT}", measured(path, "--load"))


@pytest.mark.parametrize("family", TORCH)
def test_of_tensors(tmp_path, family):
    path = written(tmp_path, "x.pth", hostile_pickles.torch_file(TORCH[family], SIZE))
    assert re.fullmatch(
        rf"read|{SPENT}|UsageError: x.pth holds several state dicts: n0 .* and \d+ more"
        r"|RefusedError: x.pth refused: (its modules are nested more than 64 deep|an array is .*)",
        measured(path, "--load"),
    )


@pytest.mark.parametrize("axes", [12, 20])
def test_a_view_that_goes_over_its_storage_again_and_again(tmp_path, axes):
    """2**n elements, each far from the next, and all in a few places."""
    step = 5 << 18
    numel = axes * step + 1
    one = tensor((2,) * axes, (step,) * axes, numel=numel, storage="ByteStorage")
    content = hostile_pickles.pickled(hostile_pickles.dict_(w=one))
    path = written(tmp_path, "x.pth", torch_zip(content, {"0": bytes(numel)}))
    fate = measured(path, "--load")
    assert fate == "read" or fate.startswith("RefusedError: x.pth refused: its arrays would take ")
