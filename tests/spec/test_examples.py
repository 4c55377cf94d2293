"""The examples in the documentation of odconv_spec, of every docstring of every module."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import odconv_spec
import odconv_spec.detectors
from docs_site.names import public_names
from tests.examples import SUITES, packages_of

FOLDER = Path(odconv_spec.__file__).parent
# What a reader of the reference has imported.
PUBLIC = {
    name: getattr(package, name)
    for package in (odconv_spec.detectors, odconv_spec)
    for name in package.__all__
}
WITH_EXAMPLES = [
    ".".join(path.relative_to(FOLDER).with_suffix("").parts)
    for path in sorted(FOLDER.rglob("*.py"))
    if ">>>" in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_run(name):
    module = import_module(f"odconv_spec.{name}")
    result = doctest.testmod(module, extraglobs=PUBLIC)
    assert result.attempted and not result.failed


def test_a_suite_runs_the_examples_of_every_package():
    assert sorted(p for suite in SUITES for p in packages_of(suite)) == sorted(public_names())
