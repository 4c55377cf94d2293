"""Ten runs in a row have every slow test once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.parts import PARTS, number_of_commit, part_of
from tests.processes import run_process

ROOT = Path(__file__).parents[2]
FILE = """
from pytest import mark

def test_quick(): pass

@mark.slow
@mark.parametrize("n", range({count}))
def test_slow(n): pass
"""


class Names:
    """A plugin that notes the tests that a run is left with."""

    def __init__(self) -> None:
        self.noted: list[str] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.noted = [item.nodeid for item in session.items]


def collected(folder: Path, number: int, *options: str) -> list[str]:
    """Names of the tests that a run with this number has."""
    names = Names()
    sys.modules.pop("test_it", None)  # of another folder
    # Without the plugin that collects garbage five times at the end: this process has much of it.
    own = ["--rootdir", str(folder), "--import-mode", "importlib", "-qW", "ignore", str(folder)]
    own += ["-p", "no:unraisableexception"]
    part = ["-p", "tests.parts", "--part", str(number)]
    assert pytest.main([*own, *part, *options], plugins=[names]) == 0
    return names.noted


def slow(folder: Path, number: int) -> list[str]:
    return collected(folder, number, "--collect-only", "-m", "slow")


def project(folder: Path, count: int) -> Path:
    """A folder of one quick and so many slow tests."""
    folder.mkdir()
    (folder / "test_it.py").write_text(FILE.format(count=count), encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = slow\n", encoding="utf-8")
    return folder


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    command = ["git", "-C", str(folder), *identity, *arguments]
    return run_process(command).stdout.strip()


def commit(folder: Path) -> None:
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "x")


def test_ten_runs_in_a_row_have_every_slow_test_once(tmp_path):
    folder, first = project(tmp_path / "it", 100), 4_711
    parts = [slow(folder, first + run) for run in range(PARTS)]
    together = [name for part in parts for name in part]
    assert len(together) == len(set(together))
    assert set(together) == {f"test_it.py::test_slow[{n}]" for n in range(100)}
    assert all(parts)


def test_a_part_has_all_tests_that_are_not_slow(tmp_path):
    names = collected(project(tmp_path / "it", 3), 5, "--collect-only")
    assert "test_it.py::test_quick" in names


def test_a_suite_without_a_test_in_this_part_succeeds(tmp_path):
    folder = project(tmp_path / "it", 1)
    mine = part_of("test_it.py::test_slow[0]")
    assert len(slow(folder, mine)) == 1
    assert collected(folder, mine + 1, "-m", "slow") == []


def test_new_tests_move_no_other_one(tmp_path):
    before, after = project(tmp_path / "before", 40), project(tmp_path / "after", 60)
    for number in (2, 3):
        assert set(slow(before, number)) <= set(slow(after, number))


def test_each_commit_has_the_next_part(tmp_path):
    git(tmp_path, "init", "--quiet")
    numbers = []
    for _ in range(PARTS):
        commit(tmp_path)
        number, origin = number_of_commit(tmp_path)
        assert origin == f"{number} commits"
        numbers.append(number)
    assert {number % PARTS for number in numbers} == set(range(PARTS))


def test_a_shallow_clone_takes_the_hash_and_says_so(tmp_path):
    git(tmp_path, "init", "--quiet", "whole")
    commit(tmp_path / "whole")
    commit(tmp_path / "whole")
    git(tmp_path, "clone", "--quiet", "--depth", "1", f"file://{tmp_path}/whole", "shallow")
    number, origin = number_of_commit(tmp_path / "shallow")
    start = git(tmp_path / "whole", "rev-parse", "HEAD")[:8]
    assert number == int(start, 16)
    assert start in origin and "shallow" in origin
    assert number_of_commit(tmp_path / "whole") == (2, "2 commits")


@pytest.mark.parametrize("options", [["--part", "3"], ["--slow", "--part", "x"]])
def test_the_runner_refuses_a_part_that_it_cannot_run(options):
    run = subprocess.run(
        [sys.executable, "-m", "tests.run", *options], cwd=ROOT, capture_output=True, check=False
    )
    assert run.returncode == 2 and b"--part" in run.stderr
