"""The built site is whole: `make docs` builds it, and runs this."""

from __future__ import annotations

import re

import pytest
from griffe import Object

from docs_site.command_pages import command_pages
from docs_site.reference import entries, page_of
from tests.docs.built import SITE, built_pages, is_outside, page_at, target_of
from tests.docs.described import described

PAGES = built_pages()
LEFT_OVER = re.compile(r"^::: |\]\[|\]\(|\$\$|\\\(|<!--", re.MULTILINE)


def test_the_site_is_built():
    assert "index.html" in PAGES, "make docs builds it"


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    for link in filter(lambda link: not is_outside(link), page_at(SITE / page).links):
        path, anchor = target_of(link, page)
        assert path.is_file(), link
        if anchor and path.suffix == ".html":
            assert anchor in page_at(path).ids, link


@pytest.mark.parametrize("page", PAGES)
def test_pages_load_what_is_there_and_nothing_of_other_hosts(page):
    loads = page_at(SITE / page).loads
    assert loads
    for address in loads:
        assert not is_outside(address), address
        assert target_of(address, page)[0].is_file(), address


@pytest.mark.parametrize("page", PAGES)
def test_pages_have_a_title_and_no_markup_that_was_not_understood(page):
    built = page_at(SITE / page)
    assert built.headings == 1
    assert LEFT_OVER.search("".join(built.text)) is None


def test_every_public_name_has_an_entry():
    missing = {
        shown
        for path, shown in entries().items()
        if shown not in ids_of(page_of(path.rpartition(".")[0]))
    }
    assert missing == set()


def test_every_method_of_a_class_is_on_a_page():
    """Below that class, or below one with an entry that it has the method from."""
    ids = set().union(*(ids_of(page_of(path.rpartition(".")[0])) for path in entries()))
    classes = {one.path: path for path, one in described().items() if one.is_class}
    for path in classes.values():
        family = [described()[path], *described()[path].mro()]
        names = {n for each in family for n, member in each.members.items() if is_public(member)}
        owners = [classes[each.path] for each in family if each.path in classes]
        missing = [n for n in names if ids.isdisjoint(f"{owner}.{n}" for owner in owners)]
        assert not missing, f"{path}: {missing}"


def test_every_command_has_a_page():
    assert all(ids_of(page) for page in command_pages())


def is_public(member: Object) -> bool:
    return member.is_function and member.name[0] != "_" and member.has_docstring


def ids_of(source: str) -> set[str]:
    """The ids of the page that is made of a file below docs/."""
    path = source.removesuffix(".md").removesuffix("index").rstrip("/")
    return page_at(SITE / path / "index.html").ids
