"""The wheel holds the packages that users run, with their data, and nothing of the repository."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILD = "from setuptools.build_meta import build_wheel; build_wheel('dist')"
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


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """Names of the files in a wheel that is built of a copy of the tree."""
    folder = tmp_path_factory.mktemp("tree")
    for package in (*PACKAGES, "benchmarks", "tests", "examples"):
        shutil.copytree(
            ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, folder / file)
    command = [sys.executable, "-c", BUILD]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    (wheel,) = (folder / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_has_the_packages_and_nothing_else(names):
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == PACKAGES


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_has_each_file_of_a_package(package, names):
    kinds = (".py", ".typed", ".npz", ".json.gz", ".yaml")
    files = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.name.endswith(kinds)
    }
    assert files == {name for name in names if name.startswith(f"{package}/")}
