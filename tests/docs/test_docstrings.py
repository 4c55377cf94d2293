"""Every public name is described: what it is, and what it returns."""

from __future__ import annotations

import re
from functools import cache

import pytest
from griffe import GriffeLoader, Object

from docs_site.names import PACKAGES, ROOT
from docs_site.reference import entries

RETURNS = re.compile(r"^(Returns|Yields):$", re.MULTILINE)
NOTHING = {"None", "NoReturn"}


@cache
def described() -> dict[str, Object]:
    """The objects behind the entries of the reference, by their path."""
    loader = GriffeLoader(search_paths=[ROOT])
    for package in PACKAGES:
        loader.load(package)
    loader.resolve_aliases(implicit=False)
    found = {path: loader.modules_collection[path] for path in entries().values()}
    return {path: one.final_target if one.is_alias else one for path, one in found.items()}


@pytest.mark.parametrize("path", sorted(entries().values()))
def test_a_public_name_is_described(path):
    one = described()[path]
    assert one.docstring, "without a docstring"
    if one.is_function and one.returns is not None and str(one.returns) not in NOTHING:
        assert RETURNS.search(one.docstring.value), "without Returns"
