"""The sdist holds what builds, tests and documents the packages."""

from __future__ import annotations

import tarfile

import pytest

from tests.distributions import FOLDERS, PACKAGES, ROOT, build, top_files


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """Names of the files in an sdist that is built of a copy of the tree."""
    with tarfile.open(build("sdist", tmp_path_factory.mktemp("tree"))) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


@pytest.mark.parametrize("folder", sorted({*PACKAGES, *FOLDERS}))
def test_has_each_file_of_a_folder(folder, names):
    files = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert files - names == set()


def test_has_each_file_at_the_top(names):
    assert {path.name for path in top_files()} - names == set()
