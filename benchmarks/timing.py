"""Times of several runs, taken in turns in one process."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

Run = Callable[[], object]

SHORTEST = 0.02  # seconds; what is faster is run several times, as the clock and the system jitter


def alternate(runs: Mapping[str, Run], rounds: int) -> dict[str, list[float]]:
    """Seconds of each run in each round. All must have run once before, to fill the caches.

    All runs are neighbours in each round, so that their ratio is of one state of the machine. Every
    other round goes backwards, so that none always follows the same.
    """
    found: dict[str, list[float]] = {name: [] for name in runs}
    for index in range(rounds):
        for name in list(runs)[:: -1 if index % 2 else 1]:
            found[name].append(_seconds(runs[name]))
    return found


def _seconds(run: Run) -> float:
    count, start = 0, time.perf_counter()
    while True:
        run()
        count += 1
        elapsed = time.perf_counter() - start
        if elapsed >= SHORTEST:
            return elapsed / count
