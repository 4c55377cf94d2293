"""The command line and the system around it: modules, files, pipes, interrupts, terminals."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from odconv.main import main
from odconv_spec import model_spec
from tests.converter.helpers import SMALL_RESNET, arrays_of, save
from tests.processes import run_process

SPEC = model_spec("od_resnet18", **SMALL_RESNET)


@pytest.fixture
def source(tmp_path):
    return save(tmp_path / "a.pth", SPEC, arrays_of(SPEC))


EXAMPLE = Path(__file__).parents[2] / "examples" / "odconv4x_mobilenetv2_digits.pth.tar"


DIGITS = str(Path(__file__).parents[2] / "examples" / "digits.json")


def test_no_framework_is_needed(tmp_path):
    """The official file, converted in a process in which importing a framework raises."""
    code = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "paddle", "keras", "tensorflow", "jax"}:
            raise ImportError(f"{name} must not be imported")

sys.meta_path.insert(0, Refuse())
from odconv.main import main
for ending in ("pdparams", "weights.h5", "safetensors", "pth"):
    assert main(["convert", sys.argv[1], f"{sys.argv[2]}/x.{ending}", "--model", sys.argv[3]]) == 0
"""
    run = run_process(
        [sys.executable, "-c", code, EXAMPLE, tmp_path, DIGITS],
    )
    assert run.stderr == ""  # no progress bar where there is no terminal


def test_an_interrupt_is_no_traceback(source, tmp_path, monkeypatch, capsys):
    def interrupt(*words, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("odconv.commands.convert.convert", interrupt)
    assert main(["convert", str(source), str(tmp_path / "b.pdparams")]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_nobody_reads_the_output(source):
    command = [sys.executable, "-m", "odconv", "inspect", str(source), "--arrays"]
    read, write = os.pipe()
    os.close(read)
    run = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert (run.returncode, run.stderr) == (141, b"")


@pytest.mark.parametrize(("error", "code"), [(MemoryError(), 5), (OSError(28, "No space left"), 5)])
def test_what_the_system_refuses(source, tmp_path, monkeypatch, capsys, error, code):
    def refuse(*words, **options):
        raise error

    monkeypatch.setattr("odconv.commands.convert.convert", refuse)
    assert main(["convert", str(source), str(tmp_path / "b.pdparams")]) == code
    assert capsys.readouterr().err.startswith("error: ")


def test_names_that_the_terminal_cannot_show(tmp_path):
    path = save(tmp_path / "modèle.pth", SPEC, arrays_of(SPEC))
    command = [sys.executable, "-m", "odconv", "inspect", str(path)]
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    run = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert run.returncode == 0 and b"mod\\xe8le.pth" in run.stdout


def test_no_file_is_opened_but_the_named_ones(source, tmp_path):
    """An audit hook writes down every file that is opened to be read or written."""
    code = """
import os, sys
import odconv.commands.convert
from odconv.main import main
opened = set()
def hook(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        opened.add(os.fsdecode(arguments[0]))
main(["inspect", sys.argv[1]])
sys.addaudithook(hook)
for ending in ("pdparams", "weights.h5", "safetensors", "pth"):
    assert main(["convert", sys.argv[1], f"{sys.argv[2]}/x.{ending}", "--quiet"]) == 0
print("|".join(sorted(opened)))
"""
    (tmp_path / "out").mkdir()
    run = run_process(
        [sys.executable, "-c", code, source, tmp_path / "out"],
    )
    opened = {Path(name) for name in run.stdout.splitlines()[-1].split("|")}
    elsewhere = {p for p in opened if p != source and tmp_path / "out" not in (p, p.parent)}
    # The interpreter looks up modules, and the release of this package.
    own = {p for p in elsewhere if p.suffix in (".py", ".pyc") or p.parent.name.endswith("-info")}
    assert {p for p in elsewhere - own if not p.is_relative_to(sys.prefix)} == set()
