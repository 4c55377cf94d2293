"""Ratios of times, measured in one process by alternating runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

RUNS = 7


def ratio(ours: Callable[[], object], theirs: Callable[[], object]) -> tuple[float, float, float]:
    """(median of ours in ms, median of theirs in ms, median of the ratios of neighbours)."""
    ours(), theirs()
    pairs = [(_seconds(ours), _seconds(theirs)) for _ in range(RUNS)]
    first, second = zip(*pairs, strict=True)
    quotients = [a / b for a, b in pairs]
    return 1e3 * median(first), 1e3 * median(second), median(quotients)


def _seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start
