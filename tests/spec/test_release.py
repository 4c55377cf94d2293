"""What a release says of itself is the same in every file: version, address, Python, packages."""

from __future__ import annotations

import re

import pytest

from odconv_spec import __version__
from tests.distributions import PACKAGES, ROOT, repository

OF_FRAMEWORKS = {"odconv_torch", "odconv_paddle", "odconv_keras"}
OWNER = repository().rpartition("/")[0]


def text_of(file):
    return (ROOT / file).read_text(encoding="utf-8")


@pytest.mark.parametrize("package", sorted(PACKAGES - OF_FRAMEWORKS))
def test_packages_have_the_version(package):
    if package == "odconv_training":
        pytest.importorskip("PIL")  # which the extra train brings, and this suite runs without
    assert __import__(package).__version__ == __version__


@pytest.mark.parametrize("package", sorted(OF_FRAMEWORKS))
def test_packages_of_frameworks_have_the_version(package):
    """Which the suites of the frameworks import."""
    assert "from odconv_spec.version import __version__\n" in text_of(f"{package}/__init__.py")
    assert '    "__version__",\n' in text_of(f"{package}/__init__.py")


def test_the_changelog_has_the_version_below_what_is_not_released():
    headings = re.findall(r"^## (.*)$", text_of("CHANGELOG.md"), re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert re.fullmatch(rf"{re.escape(__version__)} - \d{{4}}-\d\d-\d\d", headings[1])


def test_the_citation_has_version_and_address():
    citation = text_of("CITATION.cff")
    assert f"version: {__version__}\n" in citation
    assert f'repository-code: "{repository()}"\n' in citation


@pytest.mark.parametrize(
    "file", ["README.md", "CITATION.cff", "pyproject.toml", "mkdocs.yml", "SECURITY.md"]
)
def test_there_is_one_address(file):
    addresses = re.findall(rf"{re.escape(OWNER)}/[\w.-]+", text_of(file))
    assert set(addresses) <= {repository()}


def test_classifiers_name_the_pythons_of_ci():
    classified = re.findall(
        r'"Programming Language :: Python :: (3\.\d+)"', text_of("pyproject.toml")
    )
    ci = text_of(".github/workflows/ci.yml")
    assert all(re.search(rf"['\"]{re.escape(version)}['\"]", ci) for version in classified)
    assert classified[0] == "3.10" and 'requires-python = ">=3.10"' in text_of("pyproject.toml")


def test_make_dist_is_what_a_release_uploads():
    workflow = text_of(".github/workflows/release.yml")
    assert "- run: make dist\n" in workflow
    assert "id-token: write" in workflow and "secrets." not in workflow
