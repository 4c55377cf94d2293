"""A thousand kills at random moments, of which those inside of C libraries are some."""

from __future__ import annotations

import signal
import time

import numpy as np
import pytest

from tests.converter.crashes import Attempt, attempt
from tests.converter.standing import NAMES, NEW, SETS, copied, prepared, source

KILLS = 1000
CASES = [
    (kind, old)
    for kind in NAMES
    for old in ("new", "same", "fewer")
    if kind in SETS or old != "fewer"
]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "old"), CASES)
def test_killed_at_random_moments(tmp_path, kind, old):
    template, new = prepared(kind, old, tmp_path)
    src, random, wrong, killed = source(tmp_path, NEW), np.random.default_rng(5), [], 0
    usual = []
    for _ in range(5):
        target, start = copied(template, tmp_path / "run"), time.perf_counter()
        attempt(lambda target=target: target.write(src))
        usual.append(time.perf_counter() - start)
    target = copied(template, tmp_path / "run")
    while killed < KILLS // len(CASES) + 1:
        running = Attempt(lambda target=target: target.write(src))
        time.sleep(random.uniform(0, 1.1 * np.median(usual)))
        running.send(signal.SIGKILL)
        ending = running.ending()
        assert ending.code in (0, -signal.SIGKILL), ending
        killed += ending.code != 0
        said = target.wrong_unless_old_or_new(new, clean=False)
        if said:
            wrong.append((killed, said))
        if said or not killed % 3:  # others go on with what is left
            again = attempt(lambda target=target: target.write(src))
            said = f"{again.text}{target.wrong_unless_new(new)}"
            if said:
                wrong.append((killed, "the next run", said))
            target = copied(template, tmp_path / "run")
    assert not wrong
