"""Builds a wheel or an sdist of a copy of the tree, as an installer does."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from tests.processes import run_process

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "odconv",
    "odconv_keras",
    "odconv_paddle",
    "odconv_spec",
    "odconv_torch",
    "odconv_training",
    "parity_tests",
    "weights_converter",
}
# Of the repository, beside the packages and the files at its top.
FOLDERS = (".ci", ".github", "benchmarks", "docs", "docs_site", "examples", "tests")
_LEFT = shutil.ignore_patterns("__pycache__", "*.pyc")


def build(kind, folder):
    """The path of the "wheel" or "sdist" of a copy of the tree in an empty folder."""
    for name in (*PACKAGES, *FOLDERS):
        shutil.copytree(ROOT / name, folder / name, ignore=_LEFT)
    for path in top_files():
        shutil.copy(path, folder)
    code = f"from setuptools.build_meta import build_{kind}; build_{kind}('dist')"
    run_process([sys.executable, "-c", code], cwd=folder)
    (built,) = (folder / "dist").iterdir()
    return built


def top_files():
    """The files at the top of the repository."""
    return [path for path in ROOT.iterdir() if path.is_file() and path.name != ".git"]


def repository():
    """The repository's address, as pyproject.toml has it."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return re.findall(r'^Repository = "(.*)"$', text, re.MULTILINE)[0]
