"""The wheel holds the packages that users run, with their data, and nothing of the repository."""

from __future__ import annotations

import re
import zipfile
from email.parser import Parser

import pytest

from odconv_spec import __version__
from tests.distributions import PACKAGES, ROOT, build, repository


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel that is built of a copy of the tree."""
    with zipfile.ZipFile(build("wheel", tmp_path_factory.mktemp("tree"))) as archive:
        yield archive


@pytest.fixture(scope="module")
def names(wheel):
    return set(wheel.namelist())


@pytest.fixture(scope="module")
def metadata(wheel):
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return Parser().parsestr(wheel.read(name).decode("utf-8"))


def test_has_the_packages_and_nothing_else(names):
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == PACKAGES


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_has_each_file_of_a_package(package, names):
    kinds = (".py", ".cpp", ".h", ".typed", ".npz", ".json", ".json.gz", ".yaml", ".pth.tar")
    files = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.name.endswith(kinds)
    }
    assert files == {name for name in names if name.startswith(f"{package}/")}
    assert f"{package}/py.typed" in files


def test_has_the_version_of_the_packages(metadata):
    assert metadata["Version"] == __version__
    assert metadata["Author"] == "odconv contributors"


def test_links_of_the_description_are_whole_addresses(metadata):
    links = re.findall(r"\]\(([^)]*)\)", metadata.get_payload())
    assert links
    assert not [link for link in links if not link.startswith(("https://", "#"))]
    ours = [link for link in links if link.startswith(f"{repository()}/")]
    files = [re.sub(rf".*/(blob|raw)/v{re.escape(__version__)}/|#.*", "", link) for link in ours]
    assert files
    assert not [
        file for file in files if not file.startswith("http") and not (ROOT / file).exists()
    ]
