"""What is refused, or interrupted while arrays are loaded, has changed nothing."""

from __future__ import annotations

import pytest

from tests.converter.crashes import attempt
from tests.converter.standing import (
    NAMES,
    NEW,
    OLD,
    PARAMETERS,
    SETS,
    Target,
    copied,
    prepared,
    source,
)
from tests.converter.standing_content import digests
from tests.quick import quick


class Interrupts:
    """Stands where a bar of progress does, and raises at the n-th array."""

    def __init__(self, error, after):
        self.error, self.after = error, after

    def reset(self, total=None):
        pass

    def update(self):
        self.after -= 1
        if not self.after:
            raise self.error


@pytest.mark.parametrize("situation", quick(["same"], ["new", "same", "beside"]))
@pytest.mark.parametrize("kind", NAMES)
def test_a_nan_in_the_last_array(tmp_path, kind, situation):
    target, _ = prepared(kind, situation, tmp_path)
    before = digests(target.folder)
    ending = attempt(lambda: target.write(source(tmp_path, NEW, broken=True)))
    assert ending.code == 3, ending
    assert digests(target.folder) == before


@pytest.mark.parametrize("kind", NAMES)
def test_values_that_the_dtype_cannot_hold(tmp_path, kind):
    target, _ = prepared(kind, "same", tmp_path)
    before = digests(target.folder)
    ending = attempt(lambda: target.write(source(tmp_path, NEW, scale=1e9), dtype="float16"))
    assert ending.code == 3, ending
    assert digests(target.folder) == before


# One writer of each sort: of one file, of a file with a sidecar, of HDF5, of a set.
WRITERS = ("pth", "pdparams", "keras", "safetensors-set")


@pytest.mark.parametrize(
    "kind", [pytest.param(k, marks=() if k in WRITERS else pytest.mark.slow) for k in NAMES]
)
@pytest.mark.parametrize(
    "error", [KeyboardInterrupt, pytest.param(MemoryError, marks=pytest.mark.slow)]
)
def test_interrupted_at_every_array(tmp_path, kind, error):
    template, new = prepared(kind, "same", tmp_path)
    src, wrong = source(tmp_path, NEW), []
    before = digests(template.folder)
    for number in range(1, 10 * len(PARAMETERS)):
        target = copied(template, tmp_path / "run")
        progress = Interrupts(error(), number)
        ending = attempt(
            lambda target=target, progress=progress: target.write(src, progress=progress)
        )
        if ending.code == 0:
            break
        if digests(target.folder) != before:
            wrong.append((number, target.wrong_unless_old_or_new(new, clean=True)))
    assert number > len(PARAMETERS)
    assert not wrong


@pytest.mark.parametrize("kind", NAMES)
def test_without_overwrite_nothing_is_replaced(tmp_path, kind):
    target, _ = prepared(kind, "same", tmp_path)
    before = digests(target.folder)
    ending = attempt(lambda: target.write(source(tmp_path, NEW), overwrite=False))
    assert ending.code == 5, ending
    assert digests(target.folder) == before


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("existing", [False, True])
def test_a_dry_run_writes_nothing(tmp_path, kind, existing):
    target = Target(kind, tmp_path / "out")
    target.folder.mkdir()
    if existing:
        target.write(source(tmp_path, OLD))
    before = digests(target.folder)
    target.write(source(tmp_path, NEW), dry_run=True, overwrite=False)
    assert digests(target.folder) == before


@pytest.mark.parametrize("kind", SETS)
def test_an_array_that_is_larger_than_a_file_may_be(tmp_path, kind):
    target, _ = prepared(kind, "same", tmp_path)
    before = digests(target.folder)
    ending = attempt(lambda: target.write(source(tmp_path, NEW), 100))
    assert ending.code == 2, ending
    assert digests(target.folder) == before
