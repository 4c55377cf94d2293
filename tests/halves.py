"""A pytest plugin that runs one half of the tests marked slow: every other one.

CI has no time for all of them. `make slow-half` takes the half by the commit's hash, so that both
come round; `make slow` runs all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import pytest

Item = TypeVar("Item")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--half", type=int, choices=(0, 1), required=True, help="of the slow tests")


@pytest.hookimpl(trylast=True)  # a conftest marks tests as slow, too
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    slow = [item for item in items if item.get_closest_marker("slow")]
    chosen = set(half(slow, config.getoption("--half")))
    left = [item for item in slow if item not in chosen]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in left]


def half(items: Sequence[Item], which: int) -> Sequence[Item]:
    """Every other one, from the first or the second; a single one is in both halves."""
    return items[which::2] or items
