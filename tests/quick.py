"""Which cases of a sweep `make test` runs; the others are marked slow."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def quick(chosen: Collection[Any], cases: Iterable[Any]) -> list[Any]:
    """All cases as parameters, of which those that are not chosen are for the slow run."""
    return [c if c in chosen else pytest.param(c, marks=pytest.mark.slow) for c in cases]


def quick_rows(chosen: Collection[Any], rows: Iterable[tuple[Any, ...]]) -> list[Any]:
    """The same where a case is a value for each of several names."""
    return [r if r in chosen else pytest.param(*r, marks=pytest.mark.slow) for r in rows]
