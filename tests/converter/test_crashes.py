"""A conversion that is stopped at any call that changes a file leaves the old or the new one.

Killed, out of space or interrupted at the n-th call for every n, the destination holds the old
checkpoint or the new one, complete; after an error nothing else has changed, and after the next run
nothing is left of one that was killed.
"""

from __future__ import annotations

from itertools import product

import pytest

from tests.converter.crashes import (
    AFTER,
    BEFORE,
    FULL,
    HALF,
    INTERRUPT,
    KILL,
    MOVES,
    attempt,
    faults,
)
from tests.converter.standing import NAMES, NEW, SETS, after_fault, copied, prepared, source
from tests.converter.standing_content import digests
from tests.quick import quick_rows

SITUATIONS = ("new", "same", "more", "fewer", "leftovers", "beside")
EVERY = [
    (kind, situation)
    for kind in NAMES
    for situation in SITUATIONS
    if kind in SETS or situation not in ("more", "fewer")
]
SOME = [
    *(("safetensors-set", "fewer"), ("pdparams", "same"), ("pth", "leftovers")),
    pytest.param("keras-set", "same", marks=pytest.mark.slow),
]


def wrong_after(tmp_path, kind, situation, kinds_of_fault):
    """What is wrong after each of the faults, with the call that it struck."""
    template, new = prepared(kind, situation, tmp_path)
    template.overwrite = situation != "new"
    src, wrong, before = source(tmp_path, NEW), [], digests(template.folder)
    for every in kinds_of_fault:
        for fault in every:
            target = copied(template, tmp_path / "run")
            ending, said = after_fault(target, new, src, fault)
            if said:
                wrong.append((fault.kind, ending.where, said))
            if not ending.where:
                break
        assert fault.number > 1
    assert digests(template.folder) == before, "a file was changed in place"
    return wrong


@pytest.mark.parametrize(("kind", "situation"), SOME)
def test_killed_at_every_rename_and_sync(tmp_path, kind, situation):
    assert not wrong_after(tmp_path, kind, situation, [faults(KILL, names=MOVES)])


@pytest.mark.parametrize(
    ("kind", "fault"),
    quick_rows(
        [("pdparams", FULL), ("pdparams", INTERRUPT)],
        product(["safetensors-set", "pdparams"], [FULL, INTERRUPT]),
    ),
)
def test_failed_at_every_rename_and_sync(tmp_path, kind, fault):
    assert not wrong_after(tmp_path, kind, "same", [faults(fault, names=MOVES)])


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "situation"), EVERY)
def test_killed_at_every_change(tmp_path, kind, situation):
    assert not wrong_after(tmp_path, kind, situation, [faults(KILL, BEFORE, HALF, AFTER)])


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "situation"), EVERY)
def test_out_of_space_at_every_change(tmp_path, kind, situation):
    assert not wrong_after(tmp_path, kind, situation, [faults(FULL, BEFORE), faults(FULL, HALF)])


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "situation"), EVERY)
def test_interrupted_at_every_change(tmp_path, kind, situation):
    assert not wrong_after(tmp_path, kind, situation, [faults(INTERRUPT, BEFORE, AFTER)])


@pytest.mark.parametrize("kind", NAMES)
def test_no_file_can_grow_beyond_a_size(tmp_path, kind):
    """What a full disk does inside of C libraries: an error, and all as it was."""
    template, new = prepared(kind, "same", tmp_path)
    src, wrong = source(tmp_path, NEW), []
    largest = max(path.stat().st_size for path in template.folder.iterdir())
    for size in (1, largest // 20, largest // 7, largest // 2, int(0.9 * largest)):
        target = copied(template, tmp_path / "run")
        ending = attempt(lambda target=target: target.write(src), limit=size)
        if ending.code == 0:
            wrong.append((size, "it converts"))
        elif ending.code != 5:
            wrong.append((size, ending.code, ending.text))
        wrong += [
            (size, said) for said in [target.wrong_unless_old_or_new(new, clean=True)] if said
        ]
        if target.arrays() != target.old:
            wrong.append((size, "an error, and the old one is gone"))
    assert not wrong
