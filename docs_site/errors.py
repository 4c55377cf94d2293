"""Writes docs/errors.md, what the commands say of what is wrong: `python -m docs_site.errors`.

It needs PyTorch, unlike the rest of the site; a test compares the page with what is said today.
"""

from __future__ import annotations

import io
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from docs_site.error_cases import CASES, FRAMEWORKS, Case, write_files
from docs_site.names import ROOT
from odconv.main import main as odconv
from odconv_training import main as training

PAGE: Final = ROOT / "docs" / "errors.md"
_HEAD: Final = (
    "# Messages\n\nWhat the commands say of what is wrong, with their "
    "[exit codes](formats.md#exit-codes). `error` is what was expected and what was received, "
    "`help` what to do. `python -m docs_site.errors` runs every line and writes this page; a test "
    "compares it with what is said today. `digits.pth.tar` and `digits.json` are those of "
    "`odconv demo`, the other files are made to be wrong.\n"
)
# Python imports it as it starts: the process cannot import what WITHOUT names.
_STARTED_WITHOUT: Final = """
import os, sys
sys.modules.update(dict.fromkeys(os.environ["WITHOUT"].split(), None))
"""


def main() -> int:
    """Writes the page, and returns the exit code 0."""
    PAGE.write_text(page(), encoding="utf-8")
    return 0


def page() -> str:
    """The page, of what is said today."""
    return "\n".join((_HEAD, '<div class="messages" markdown>\n', *_sections(), "</div>\n"))


def said(case: Case) -> tuple[int, str]:
    """The exit code of a case in this folder, and what it prints."""
    words = shlex.split(case.command)
    if case.without:
        return _in_a_process(words, case.without)
    printed = io.StringIO()
    with redirect_stdout(printed), redirect_stderr(printed):
        code = _run(words)
    return code, printed.getvalue()


def _run(words: Sequence[str]) -> int:
    """Runs a command in this process, where importing PyTorch once is enough."""
    if words[0] == "odconv":
        return odconv(words[1:])
    from odconv_torch.train import train

    try:
        return training("torch", train, words[3:])
    except SystemExit as stop:  # of argparse
        return int(stop.code or 0)


def _in_a_process(words: Sequence[str], without: Sequence[str]) -> tuple[int, str]:
    module = ["-m", "odconv", *words[1:]] if words[0] == "odconv" else words[1:]
    with TemporaryDirectory() as folder:
        (Path(folder) / "sitecustomize.py").write_text(_STARTED_WITHOUT)
        own = {
            "KERAS_BACKEND": "tensorflow",
            "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}",
            "WITHOUT": " ".join(without),
        }
        run = subprocess.run(
            [sys.executable, *module],
            env=os.environ | own,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    return run.returncode, run.stdout


def _sections() -> Iterator[str]:
    with TemporaryDirectory() as folder:
        write_files(Path(folder))
        before = Path.cwd()
        os.chdir(folder)
        try:
            for title, cases in CASES.items():
                yield f"## {title}\n"
                yield from map(_block, cases)
        finally:
            os.chdir(before)


def _block(case: Case) -> str:
    code, text = said(case)
    if code == 0:
        raise ValueError(f"expected an error, received exit code 0 of {case}")
    lacks = f"Without {_named(case.without)}, exit" if case.without else "Exit"
    return f"{lacks} code {code}:\n\n```console\n$ {case.command}\n{text.rstrip()}\n```\n"


def _named(packages: Sequence[str]) -> str:
    return "any framework" if tuple(packages) == FRAMEWORKS else ", ".join(packages)


if __name__ == "__main__":
    sys.exit(main())
