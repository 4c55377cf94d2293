"""The files and functions that one conversion passes.

    python -m tests.walk SOURCE DESTINATION [--list] [--lines]

Runs `odconv convert` and counts, by a hook of Python's profiler, what is called in any thread:
functions, lambdas and generators of weights_converter and of the command, but not what imports
run. `--list` names them by file and line; `--lines` also counts the files and lines of these
packages. To count another tree, run this file by its path with that tree's root as PYTHONPATH.
"""

from __future__ import annotations

import re
import sys
import threading
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import CodeType, FrameType

PACKAGES = ("odconv", "weights_converter")  # a tree may have the command in the second
# Python 3.12 has no functions for these any more.
UNCOUNTED = ("<listcomp>", "<setcomp>", "<dictcomp>")


def main(arguments: Sequence[str]) -> int:
    parser = ArgumentParser(prog="python -m tests.walk", description=__doc__)
    parser.add_argument("source", help="such as a .pth.tar")
    parser.add_argument("destination", help="such as a .safetensors, which is overwritten")
    parser.add_argument("--list", action="store_true", help="name the functions")
    parser.add_argument("--lines", action="store_true", help="count the lines of the packages")
    options = parser.parse_args(arguments)
    root = Path(str(import_module(PACKAGES[-1]).__file__)).parents[1]
    convert = ["convert", options.source, options.destination, "--overwrite"]
    code = _walk(root, convert, options.list)
    for package in PACKAGES if options.lines else ():
        files = list((root / package).rglob("*.py"))
        lines = sum(len(file.read_text("utf-8").splitlines()) for file in files)
        most = max(Counter(file.parent for file in files).values(), default=0)
        _say(f"{package}: {len(files)} files, {lines} lines, at most {most} files in a folder")
    return code


def _walk(root: Path, arguments: Sequence[str], named: bool) -> int:
    """Runs the command of the tree, says what it calls, and returns its exit code."""
    project = (root / "pyproject.toml").read_text("utf-8")
    ((module, function),) = re.findall(r'^odconv = "([\w.]+):(\w+)"', project, re.MULTILINE)
    command = getattr(import_module(module), function)
    called: set[CodeType] = set()

    def hook(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code not in called and not _is_in_import(frame):
            called.add(frame.f_code)

    threading.setprofile(hook)
    sys.setprofile(hook)
    code = int(command(arguments))
    sys.setprofile(None)
    ours = tuple(f"{root / package}/" for package in PACKAGES)
    kept = {c for c in called if c.co_filename.startswith(ours) and c.co_name not in UNCOUNTED}
    if named:
        _say("\n".join(sorted(f"{c.co_filename}:{c.co_firstlineno} {c.co_name}" for c in kept)))
    _say(f"passed: {len({c.co_filename for c in kept})} files, {len(kept)} functions")
    return code


def _is_in_import(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_name == "<module>" and frame.f_globals["__name__"] != "__main__":
            return True
        frame = frame.f_back
    return False


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
