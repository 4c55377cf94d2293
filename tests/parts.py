"""A pytest plugin that runs one part of the tests marked slow: every third one.

CI has no time for all of them. `make slow-part` takes the part by the commit's hash, so that all
come round; `make slow` runs all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import pytest

Item = TypeVar("Item")
PARTS = 3


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--part", type=int, choices=range(PARTS), required=True, help="of the slow")


@pytest.hookimpl(trylast=True)  # a conftest marks tests as slow, too
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    slow = [item for item in items if item.get_closest_marker("slow")]
    chosen = set(part(slow, config.getoption("--part")))
    left = [item for item in slow if item not in chosen]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in left]


def part(items: Sequence[Item], which: int) -> Sequence[Item]:
    """Every third one, from the first, second or third; all where there are fewer than that."""
    return items[which::PARTS] or items
