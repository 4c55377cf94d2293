"""Names of files as long as file systems take them: written, or refused before anything is."""

from __future__ import annotations

import pytest

from tests.converter.standing import FOUR, NET, NEW, OLD, source
from tests.converter.standing_content import digests, read
from tests.quick import quick
from weights_converter import ConverterError, Request, convert

LONGEST = 255  # bytes
ENDINGS = [".pth", ".pt", ".pth.tar", ".safetensors", ".npz", ".weights.h5"]
SIDE = ".manifest.json"
LENGTHS = range(222, 256)


def name_of(length, ending, letter):
    """A name of so many bytes."""
    count = length - len(ending)
    wide = letter * (count // len(letter.encode()))
    return "x" * (count - len(wide.encode())) + wide + ending


def converted(folder, content, name, **options):
    src = source(folder.parent, content)
    return convert(Request(src, NET), folder / name, overwrite=True, **options)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


@pytest.mark.parametrize("letter", quick(["n"], ["n", "\N{LATIN SMALL LETTER E WITH ACUTE}"]))
@pytest.mark.parametrize("ending", ENDINGS)
def test_one_file(folder, ending, letter):
    """New, and over another."""
    for length in (200, 222, 223, 232, 233, 240, 250, 254, 255):
        name = name_of(length, ending, letter)
        converted(folder, OLD, name)
        old = read(folder / name)
        converted(folder, NEW, name)
        assert read(folder / name) != old
        assert list(digests(folder)) == [name]
        (folder / name).unlink()


@pytest.mark.parametrize("letter", ["n", "\N{LATIN SMALL LETTER E WITH ACUTE}"])
@pytest.mark.parametrize("length", [240, 241, 242, 255])
def test_a_sidecar_that_fits_or_not(folder, length, letter):
    name = name_of(length, ".pdparams", letter)
    if length + len(SIDE) <= LONGEST:
        converted(folder, NEW, name)
        assert digests(folder).keys() == {name, name + SIDE}
        return
    (folder / name).write_bytes(b"old")
    before = digests(folder)
    with pytest.raises(ConverterError):
        converted(folder, NEW, name)
    assert digests(folder) == before


@pytest.mark.parametrize("old", quick([True], [False, True]))
@pytest.mark.parametrize("ending", [".safetensors.index.json", ".weights.json"])
@pytest.mark.parametrize("every", quick([3], [1, 3]))
def test_a_set_is_written_or_refused_as_a_whole(folder, ending, old, every):
    done = []
    for length in (200, *LENGTHS[::every]):
        name = name_of(length, ending, "n")
        if old:
            (folder / name).write_bytes(b"{}")
        before = digests(folder)
        try:
            converted(folder, NEW, name, max_shard_bytes=FOUR)
        except ConverterError:
            assert digests(folder) == before
        else:
            done.append(length)
            assert read(folder / name)
        for path in folder.iterdir():
            path.unlink()
    assert 200 in done and 222 in done


@pytest.mark.parametrize("ending", [*ENDINGS, ".pdparams"])
@pytest.mark.parametrize("length", [256, 300, 5000])
def test_longer_than_there_are_names(folder, ending, length):
    with pytest.raises(ConverterError):
        converted(folder, NEW, name_of(length, ending, "n"))
    assert not digests(folder)
