"""Every public name is described: what it is, what it returns and raises, and how it is used."""

from __future__ import annotations

import re

import pytest
from griffe import Class

from tests.docs.described import OF_FRAMEWORKS, described, docstrings, members, raised, result

RETURNS = re.compile(r"^(Returns|Yields):$", re.MULTILINE)
RAISES = re.compile(r"^Raises:$", re.MULTILINE)
STATEMENT = re.compile(r"^ *>>> (?!.*doctest: \+SKIP)(?!import |from )", re.MULTILINE)
NOTHING = {"", "None", "NoReturn"}
# Of a base class: it says which method is missing, to whoever writes a subclass.
MISSING = {"NotImplementedError"}


@pytest.mark.parametrize("path", sorted(described()))
def test_a_public_name_is_described(path):
    assert not described()[path].is_module, "the entry is of a file, not of what it defines"
    assert described()[path].docstring, "without a docstring"


@pytest.mark.parametrize(
    "path", sorted(path for path, one in described().items() if one.is_function or one.is_class)
)
def test_a_function_or_class_has_an_example_that_runs(path):
    """Whether it gives what it says is tested where its package can be imported."""
    assert STATEMENT.search(described()[path].docstring.value), "without an example"


@pytest.mark.parametrize("path", sorted(members()))
def test_a_method_is_described(path):
    """By its own docstring or by that of the method which it overrides."""
    member = members()[path]
    if member.name not in OF_FRAMEWORKS:
        assert any(docstrings(member)), "without a docstring"


@pytest.mark.parametrize(
    "path", sorted(path for path, one in {**described(), **members()}.items() if not one.is_class)
)
def test_what_is_returned_is_described(path):
    one = {**described(), **members()}[path]
    texts = list(docstrings(one))
    constant = one.is_attribute and path in described()
    if texts and not constant and result(one) not in NOTHING:
        assert any(RETURNS.search(text) for text in texts), "without Returns"


@pytest.mark.parametrize("path", sorted({**described(), **members()}))
def test_what_is_raised_is_described(path):
    one = {**described(), **members()}[path]
    if one.is_attribute and path in described():
        return
    texts = [one.docstring.value] if isinstance(one, Class) else list(docstrings(one))
    errors = raised(one) - MISSING
    if errors:
        assert any(RAISES.search(text) for text in texts), f"without Raises: {sorted(errors)}"
