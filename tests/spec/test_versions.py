"""The versions that pyproject.toml promises are the ones that are tested."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.run import SMOKE

ROOT = Path(__file__).parents[2]
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
USED = ("torch", "paddlepaddle", "keras", "tensorflow-cpu", "jax", "h5py", "numpy", "tqdm")


def pinned(file):
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


def release(version):
    return [int(number) for number in version.split(".")]


@pytest.mark.parametrize("package", USED)
def test_the_lowest_version_is_tested(package):
    (lowest,) = re.findall(rf'"{package}>=([0-9.]+)"', PYPROJECT)
    tested = release(pinned("constraints-lowest.txt")[package])
    assert tested[: len(release(lowest))] == release(lowest)
    assert not any(tested[len(release(lowest)) :])


def test_smoke_tests_exist():
    files = [ROOT / "tests" / suite / f"test_{name}.py" for suite in SMOKE for name in SMOKE[suite]]
    assert [file for file in files if not file.is_file()] == []
