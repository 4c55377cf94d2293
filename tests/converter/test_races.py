"""Others work in the same folder at the same time."""

from __future__ import annotations

import os
import shutil
import signal

import numpy as np
import pytest

from tests.converter.crashes import ACT, INTERRUPT, PAUSE, Attempt, attempt, faults
from tests.converter.standing import (
    NAMES,
    NEW,
    OTHER,
    SETS,
    Target,
    copied,
    prepared,
    source,
)
from tests.converter.standing_content import digests, read
from tests.quick import quick

RIVAL = b"somebody else's"
# A fork for each call of a conversion: by default for one file and for a file with a sidecar.
ONE_AND_TWO = ("pth", "pdparams")
FEW = [pytest.param(k, marks=() if k in ONE_AND_TWO else pytest.mark.slow) for k in NAMES]


def appears(path, told):
    """Makes a file there unless there is one, and says so."""

    def act():
        try:
            made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        except FileExistsError:
            return
        os.write(made, RIVAL)
        os.close(made)
        os.close(os.open(told, os.O_WRONLY | os.O_CREAT))

    return act


def written_names(kind, tmp_path):
    """What a conversion leaves in an empty folder."""
    target = Target(kind, tmp_path / "names")
    target.folder.mkdir()
    target.write(source(tmp_path, NEW), overwrite=False)
    return sorted(digests(target.folder))


@pytest.mark.parametrize("kind", FEW)
def test_a_file_that_appears_is_not_replaced(tmp_path, kind):
    """At any call, at any of the names; without overwrite."""
    src, wrong, struck = source(tmp_path, NEW), [], 0
    names = written_names(kind, tmp_path)
    for name in names if kind not in SETS else [names[0], NAMES[kind]]:
        target, told = Target(kind, tmp_path / "out", overwrite=False), tmp_path / "told"
        for fault in faults(ACT, act=appears(target.folder / name, told)):
            told.unlink(missing_ok=True)
            shutil.rmtree(target.folder, ignore_errors=True)
            target.folder.mkdir()
            ending = attempt(lambda target=target: target.write(src), fault)
            if not ending.where:
                break
            found = digests(target.folder)
            if not told.exists():
                continue
            struck += 1
            kept = (target.folder / name).exists() and (target.folder / name).read_bytes() == RIVAL
            if not kept:
                wrong.append((name, ending.where, "it was replaced", ending.code, ending.text))
            elif ending.code != 5 and name in target.members():
                wrong.append((name, ending.where, "no error", ending.code, ending.text))
            elif ending.code == 5 and found.keys() != {name}:
                wrong.append((name, ending.where, "left behind", sorted(found)))
    assert struck and not wrong


@pytest.mark.parametrize("kind", FEW)
def test_the_folder_is_removed(tmp_path, kind):
    """An error of the file system, whenever that happens."""
    src, wrong = source(tmp_path, NEW), []
    target = Target(kind, tmp_path / "out")
    for fault in faults(ACT, act=lambda: shutil.rmtree(target.folder, ignore_errors=True)):
        target.folder.mkdir(exist_ok=True)
        ending = attempt(lambda: target.write(src), fault)
        if not ending.where:
            break
        if ending.code not in (0, 5):
            wrong.append((ending.where, ending.text))
        if ending.code == 0 and target.folder.exists() and digests(target.folder):
            wrong.append((ending.where, "made again"))
    assert fault.number > 3 and not wrong


@pytest.mark.slow
@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize("kind", ["pth", "pdparams", *SETS])
def test_another_conversion_at_any_call(tmp_path, kind, overwrite):
    check_another(tmp_path, kind, overwrite, faults(PAUSE))


@pytest.mark.parametrize("names", quick([("replace",)], [("replace",), ("rename", "unlink")]))
@pytest.mark.parametrize("kind", quick(["pdparams"], ["pdparams", "safetensors-set"]))
def test_another_conversion_meanwhile(tmp_path, kind, names):
    check_another(tmp_path, kind, True, faults(PAUSE, names=names))


def check_another(tmp_path, kind, overwrite, moments):
    """One is stopped, while the other one runs from its beginning to its end."""
    template, new = prepared(kind, "same" if overwrite else "new", tmp_path)
    template.overwrite = overwrite
    other_target = Target(kind, tmp_path / "other")
    other_target.folder.mkdir()
    src, other = source(tmp_path, NEW), source(tmp_path, OTHER)
    other_target.write(other)
    stands_other, wrong = read(other_target.path), []
    for fault in moments:
        target = copied(template, tmp_path / "run")
        first = Attempt(lambda target=target: target.write(src), fault)
        assert first.ended(30)
        second = Attempt(lambda target=target: target.write(other))
        second.ended(2)  # it may wait for the first
        between = stands(target)
        first.send(signal.SIGCONT)
        endings = [first.ending(), second.ending()]
        if not endings[0].where:
            break
        codes = [ending.code for ending in endings]
        after = stands(target)
        if after not in (new, stands_other) or between not in (template.old, new, stands_other):
            wrong.append((endings, "neither one nor the other", after))
        if not set(codes) <= {0, 5} or 0 not in codes or (not overwrite and codes == [0, 0]):
            wrong.append((endings, "both succeed or fail"))
        if (codes == [0, 5] and after != new) or (codes == [5, 0] and after != stands_other):
            wrong.append((endings, "the one that failed stands"))
        again = attempt(lambda target=target: target.write(src, overwrite=True))
        said = target.wrong_unless_new(new)
        if again.code or said:
            wrong.append((endings, "then", again, said))
    assert fault.number > 1 and not wrong


def stands(target):
    try:
        return target.arrays()
    except Exception as error:
        return f"unreadable: {error!r}"


@pytest.mark.slow
@pytest.mark.parametrize("kind", NAMES)
def test_three_conversions_at_once(tmp_path, kind):
    template, new = prepared(kind, "same", tmp_path)
    random, sources = np.random.default_rng(0), [source(tmp_path, n) for n in (NEW, OTHER, 7)]
    complete = []
    for src in sources:
        target = copied(template, tmp_path / "run")
        target.write(src)
        complete.append(read(target.path))
    wrong = []
    for _ in range(40):
        target = copied(template, tmp_path / "run")
        running = []
        for place in random.permutation(3):
            running.append(Attempt(lambda p=place, t=target: t.write(sources[p])))
            running[-1].ended(random.uniform(0, 0.03))
        endings = [each.ending() for each in running]
        after = stands(target)
        if after not in complete or any(ending.code not in (0, 5) for ending in endings):
            wrong.append((endings, str(after)[:200]))
        again = attempt(lambda target=target: target.write(sources[0]))
        said = target.wrong_unless_new(new)
        if again.code or said:
            wrong.append((endings, "then", again, said))
    assert not wrong


@pytest.mark.parametrize("kind", ["pth", "safetensors-set"])
def test_a_second_interrupt_while_the_first_cleans_up(tmp_path, kind):
    """The next run removes what is left then."""
    template, new = prepared(kind, "same", tmp_path)
    src, wrong = source(tmp_path, NEW), []
    for fault in faults(INTERRUPT, names=("unlink", "remove")):
        target = copied(template, tmp_path / "run")
        ending = attempt(lambda target=target: target.write(src, progress=Interrupted()), fault)
        said = target.wrong_unless_old_or_new(new, clean=False)
        again = attempt(lambda target=target: target.write(src))
        said = said or target.wrong_unless_new(new)
        if said or again.code:
            wrong.append((ending, said, again))
        if not ending.where:
            break
    assert not wrong


class Interrupted:
    """Progress that is interrupted when some arrays have been written."""

    def __init__(self):
        self.left = 18

    def reset(self, total=None):
        pass

    def update(self):
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt
