"""`--help` of a module that is run prints what the site shows, and does nothing else."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from docs_site.parsers import module_parsers
from tests.quick import quick

PARSERS = {
    parser.prog: parser
    for title, group in module_parsers().items()
    for parser in group
    if title != "detectors"  # which need torchvision: tests/vision
}
QUICK = ("calibrate", "native", "odconv_keras.train", "parity_tests", "strides")
CHOSEN = [prog for prog in PARSERS if prog.endswith(QUICK)]


@pytest.mark.parametrize("prog", quick(CHOSEN, PARSERS))
def test_help_is_all_that_it_does(prog, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "90")
    run = helped(prog, tmp_path)
    assert (run.returncode, run.stdout) == (0, PARSERS[prog].format_help()), run.stderr
    assert list(tmp_path.iterdir()) == []


def helped(prog, folder):
    """What a command says of itself, in a process of its own that has a minute for it."""
    return subprocess.run(
        [sys.executable, *prog.split()[1:], "--help"],
        cwd=folder,
        env=os.environ | {"KERAS_BACKEND": "jax", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
