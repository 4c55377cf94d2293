"""What a shell gets when it asks how a line goes on, by argcomplete's own protocol."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from odconv.runtimes.table import NAMES as PLAYERS
from odconv_spec import list_models
from parity_tests.runtimes import RUNTIMES
from tests.quick import quick_rows
from weights_converter.arrays.casting import DTYPES

SEPARATOR = "\x0b"  # the protocol's own default, between two answers


@pytest.fixture
def folder(tmp_path):
    for name in ("a.pth.tar", "b.pdparams", "c.weights.h5", "d.safetensors", "e.npz", "f.json"):
        (tmp_path / name).touch()
    for name in ("notes.txt", "g.html", "h.png", "model best.pth"):
        (tmp_path / name).touch()
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "last.pth").touch()
    return tmp_path


def answers(line, folder, **environment):
    """The words that the child writes to descriptor 8, as a shell's function has it."""
    protocol = {"_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line))}
    command = shlex.join([sys.executable, "-m", "odconv"])
    run = subprocess.run(
        ["/bin/bash", "-c", f"{command} 8>&1 9>&2 >/dev/null"],
        cwd=folder,
        env=os.environ | protocol | {"PYTHONPATH": str(Path(__file__).parents[2])} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    return {word.strip() for word in run.stdout.split(SEPARATOR)} - {""}


CHECKPOINTS = {"a.pth.tar", "b.pdparams", "c.weights.h5", "d.safetensors", "e.npz", "runs/"}


LINES = [  # each takes a process: every second one is for the slow run
    ("odconv in", {"inspect"}),
    ("odconv convert a.pth.tar b", {"b.pdparams"}),
    ("odconv convert runs/", {"runs/last.pth"}),
    ("odconv convert a.pth.tar b.pth --dty", {"--dtype"}),
    ("odconv convert a.pth.tar b.pth --dtype ", {"keep", *DTYPES}),
    ("odconv convert a.pth.tar b.pth --report ", {"g.html", "runs/"}),
    ("odconv evaluate a.pth.tar --framework ", {"torch", "paddle", "keras", *PLAYERS}),
    ("odconv evaluate a.pth.tar --data ", {"digits", "runs/"}),
    ("odconv attend a.pth.tar --images ", {"digits", "runs/"}),
    ("odconv attend a.pth.tar --output ", {"g.html", "runs/"}),
    ("odconv evaluate a.pth.tar --picture ", {"h.png", "runs/"}),
    ("odconv verify a.pth.tar --runtime keras", {name for name in RUNTIMES if "keras" in name}),
    ("odconv inspect a.pth.tar --model ", {*list_models(), "f.json", "runs/"}),
    ("odconv inspect a.pth.tar --model od_resnet5", {"od_resnet50"}),
    ("odconv inspect nowhere/", set()),
]


@pytest.mark.parametrize(("line", "wanted"), quick_rows(LINES[::2], LINES))
def test_answers(line, wanted, folder):
    assert answers(line, folder) == wanted


def test_checkpoints_alone_are_offered(folder):
    offered = answers("odconv inspect ", folder)
    assert offered >= CHECKPOINTS
    assert not {"notes.txt", "g.html", "h.png", "f.json"} & offered
    assert any("model" in word and "best.pth" in word for word in offered)  # escaped for the shell


def test_without_argcomplete_the_line_stays_as_it_is(folder):
    (folder / "argcomplete.py").write_text("raise ModuleNotFoundError('argcomplete')")
    run = subprocess.run(
        [sys.executable, "-m", "odconv"],
        env=os.environ
        | {"_ARGCOMPLETE": "1", "COMP_LINE": "odconv ", "COMP_POINT": "7"}
        | {"PYTHONPATH": f"{folder}:{Path(__file__).parents[2]}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == "error: completion needs argcomplete: pip install 'odconv[completion]'\n"


@pytest.mark.parametrize("name", ["main.py", "__main__.py"])
def test_global_completion_finds_its_mark(name):
    """`activate-global-python-argcomplete` asks the first 1024 bytes of a program for it."""
    program = Path(__file__).parents[2] / "odconv" / name
    assert b"PYTHON_ARGCOMPLETE_OK" in program.read_bytes()[:1024]
