"""A pytest plugin that runs one tenth of the tests marked slow, and the number that chooses it.

CI has no time for all of them at once; `make slow` runs all. A test belongs to one part by its own
name and for good: the parts are disjoint, together they are all slow tests, and a new test moves no
other one. The part is drawn by a number that rises by one with each run, so ten runs in a row have
every slow test: `make slow-part PART=$RUN_NUMBER`, or by default the number of commits up to HEAD,
where each commit has its run. A hash of the commit would promise this by chance only.
`make vision-slow-part` draws from the slow tests of tests/vision in the same way.
"""

from __future__ import annotations

import subprocess
import zlib
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
PARTS = 10
LEFT = pytest.StashKey[bool]()  # whether tests of other parts were left out


class Draw(NamedTuple):
    """Which part a run has, and why."""

    number: int
    origin: str

    @property
    def part(self) -> int:
        return self.number % PARTS

    def __str__(self) -> str:
        return f"part {self.part} of {PARTS} of the tests marked slow, drawn from {self.origin}"


def pytest_addoption(parser: pytest.Parser) -> None:
    what = f"number of a run, modulo {PARTS}, or `commit`"
    parser.addoption("--part", type=drawn, required=True, help=what)


def pytest_report_header(config: pytest.Config) -> str:
    return str(config.getoption("--part"))


@pytest.hookimpl(trylast=True)  # a conftest marks tests as slow, too
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    wanted = config.getoption("--part").part
    left = [i for i in items if i.get_closest_marker("slow") and part_of(i.nodeid) != wanted]
    config.hook.pytest_deselected(items=left)
    dropped = set(left)
    items[:] = [item for item in items if item not in dropped]
    config.stash[LEFT] = bool(left)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A suite of few slow tests may have none in this part."""
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and session.config.stash.get(LEFT, False):
        session.exitstatus = pytest.ExitCode.OK


def part_of(name: str) -> int:
    """The part of a test, by its name alone."""
    return zlib.crc32(name.encode()) % PARTS


def drawn(by: str) -> Draw:
    """By the number of a run, or by the word `commit`."""
    if by == "commit":
        return Draw(*number_of_commit(ROOT))
    return Draw(int(by), f"the number {by}")


def number_of_commit(folder: Path) -> tuple[int, str]:
    """A number for the commit at HEAD, and what it is.

    A shallow clone cannot count its commits, so there the number is the start of the hash, by which
    all parts come round sooner or later, but not within a fixed number of runs.
    """
    if _git(folder, "rev-parse", "--is-shallow-repository") == "true":
        start = _git(folder, "rev-parse", "HEAD")[:8]
        return int(start, 16), f"the commit's hash {start}, as a shallow clone has no count"
    count = int(_git(folder, "rev-list", "--count", "HEAD"))
    return count, f"{count} commits"


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
