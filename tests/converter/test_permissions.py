"""Nobody can read a result who could not read its source, nor what it replaces."""

from __future__ import annotations

import os

import pytest

from odconv.main import main
from tests.converter.crashes import ACT, attempt, faults
from tests.converter.standing import FOUR, NAMES, NEW, OLD, SETS, Target, source
from tests.quick import quick
from weights_converter import convert

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes of files")


@pytest.fixture(params=[0o022, 0o027, 0o077, 0o002], ids=oct)
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.fixture
def usual():
    before = os.umask(0o022)
    yield
    os.umask(before)


def modes(folder):
    return {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}


def out(tmp_path, kind):
    target = Target(kind, tmp_path / "out")
    target.folder.mkdir()
    return target


@pytest.mark.parametrize("kind", ["pth", "pdparams", "safetensors-set"])
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o666])
def test_as_the_source_and_the_umask(tmp_path, kind, mode, umask):
    src, target = source(tmp_path, NEW), out(tmp_path, kind)
    src.chmod(mode)
    target.write(src)
    assert set(modes(target.folder).values()) == {mode & ~umask}


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("mode", quick([0o600, 0o755], [0o600, 0o755, 0o444, 0o400]))
def test_a_source_that_nobody_may_write(tmp_path, kind, mode, usual):
    src, target = source(tmp_path, NEW), out(tmp_path, kind)
    src.chmod(mode)
    target.write(src)
    assert all(found & ~mode & 0o177 == 0 for found in modes(target.folder).values())


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize(("old", "new"), [(0o640, 0o644), (0o644, 0o600), (0o640, 0o604)])
def test_as_what_is_replaced(tmp_path, kind, old, new, usual):
    src, target = source(tmp_path, NEW), out(tmp_path, kind)
    target.write(source(tmp_path, OLD))
    for path in target.folder.iterdir():
        path.chmod(old)
    src.chmod(new)
    target.write(src)
    assert set(modes(target.folder).values()) == {old & new}


@pytest.mark.parametrize("kind", SETS)
def test_one_old_shard_is_private(tmp_path, kind, usual):
    src, target = source(tmp_path, NEW), out(tmp_path, kind)
    target.write(source(tmp_path, OLD))
    sorted(target.folder.glob("b[-_]0*"))[-1].chmod(0o600)
    target.write(src)
    shards = {name: mode for name, mode in modes(target.folder).items() if "json" not in name}
    assert set(shards.values()) == {0o600}


@pytest.mark.parametrize("kind", ["npz", "pdparams", "keras-set"])
@pytest.mark.parametrize("of", SETS)
def test_one_shard_of_the_source_is_private(tmp_path, of, kind, usual):
    first, target = Target(of, tmp_path / "in"), out(tmp_path, kind)
    first.folder.mkdir()
    first.write(source(tmp_path, NEW))
    sorted(first.folder.glob("b[-_]0*"))[-1].chmod(0o600)
    convert(first.path, target.path, max_shard_bytes=FOUR if kind in SETS else None)
    assert set(modes(target.folder).values()) == {0o600}


@pytest.mark.parametrize("kind", NAMES)
def test_a_link_to_a_private_source(tmp_path, kind, usual):
    src, target = source(tmp_path, NEW), out(tmp_path, kind)
    src.chmod(0o600)
    link = tmp_path / "link.npz"
    link.symlink_to(src.name)
    target.write(link)
    assert set(modes(target.folder).values()) == {0o600}


@pytest.mark.parametrize("kind", ["pth", "pdparams", "safetensors-set"])
def test_the_report(tmp_path, kind, usual, capsys):
    first = Target("safetensors", tmp_path)
    first.write(source(tmp_path, NEW))
    target = out(tmp_path, kind)
    first.path.chmod(0o600)
    words = [
        "convert",
        str(first.path),
        str(target.path),
        "--report",
        str(target.folder / "r.html"),
    ]
    words += ["--max-shard-size", str(FOUR)] if kind in SETS else []
    assert main(words) == 0
    assert (target.folder / "r.html").exists()
    assert set(modes(target.folder).values()) == {0o600}


# A file, one that a library of C writes, and one with a sidecar: a fork for each of their calls.
@pytest.mark.parametrize("kind", quick(["npz", "keras", "pdparams"], NAMES))
def test_at_no_moment(tmp_path, kind, usual):
    """The names before the last ones are no more readable."""
    src = source(tmp_path, NEW)
    src.chmod(0o600)
    for number, fault in enumerate(faults(ACT, act=lambda: open_ones(tmp_path))):
        target = Target(kind, tmp_path / f"out{number}")
        target.folder.mkdir()
        ending = attempt(lambda target=target: target.write(src), fault)
        assert ending.code == 0, (ending.where, ending.text)
        if not ending.where:
            break
    assert number > 2


def open_ones(folder):
    found = [path for path in folder.glob("out*/*") if path.stat().st_mode & 0o077]
    if found:
        raise AssertionError(str(found))
