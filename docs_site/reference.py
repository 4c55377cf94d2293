"""The pages of the reference that are made from docstrings: one for each package with `__all__`.

A name that several packages list has its entry in the innermost of them: `odconv_torch.ODConv2d`
stands on the page of `odconv_torch.layers`, and the page of `odconv_torch` links there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final

from docs_site.inherited import inherited_members
from docs_site.names import PACKAGES, defined_in, public_names, summary

FOLDER: Final = "reference"


def reference_pages() -> Mapping[str, str]:
    """Path below docs/ -> Markdown with the directives of mkdocstrings."""
    return {page_of(package): _page(package) for package in public_names()}


def reference_nav() -> list[dict[str, object]]:
    """What the navigation has for these pages: the subpackages below their package."""
    known = public_names()
    return [
        {top: [{_label(name, top): page_of(name)} for name in known if _top(name) == top]}
        for top in PACKAGES
    ]


def page_of(package: str) -> str:
    """The path of a package's page below docs/."""
    return f"{FOLDER}/{package.replace('.', '/')}/index.md"


@cache
def entries() -> Mapping[str, str]:
    """`package.name` -> the path that its entry has: the shortest one, if it leads there."""
    return {
        f"{package}.{name}": defined_in(f"{outermost(package, name)}.{name}")
        for package, names in public_names().items()
        for name in names
        if not _elsewhere(package, name)
    }


def outermost(package: str, name: str) -> str:
    """The shortest path under which a name of a package can be imported."""
    top = _top(package)
    return top if name in public_names().get(top, ()) else package


def _page(package: str) -> str:
    names = public_names()[package]
    shared = [name for name in names if (_elsewhere(package, name))]
    own = [name for name in names if name not in shared]
    lines = [f"# {package}", "", summary(package), ""]
    if shared:
        lines += ["| name | described in |", "|---|---|", *_rows(package, shared), ""]
    for name in own:
        lines += [*_entry(entries()[f"{package}.{name}"]), ""]
    return "\n".join(lines)


def _entry(path: str) -> Iterator[str]:
    """The directive of mkdocstrings, with what a class has from those without an entry."""
    yield f"::: {path}"
    if members := inherited_members(path, frozenset(entries().values())):
        yield from ("    options:", f"      inherited_members: [{', '.join(members)}]")


def _rows(package: str, names: list[str]) -> Iterator[str]:
    for name in names:
        home = _elsewhere(package, name)
        yield f"| [`{name}`][{defined_in(f'{package}.{name}')}] | {home} |"


def _elsewhere(package: str, name: str) -> str | None:
    """The subpackage whose page has the entry of a name, if it is not the package's own."""
    inner = (other for other in public_names() if other.startswith(f"{package}."))
    return next((other for other in inner if name in public_names()[other]), None)


def _top(package: str) -> str:
    return package.partition(".")[0]


def _label(package: str, top: str) -> str:
    return "Overview" if package == top else package.removeprefix(f"{top}.")
