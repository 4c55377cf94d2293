"""What a class of the reference has from classes that have no entry there."""

from __future__ import annotations

from collections.abc import Iterator, Set
from functools import cache

from griffe import Class, GriffeLoader, ModulesCollection, Object

from docs_site.names import PACKAGES, ROOT


def inherited_members(path: str, entries: Set[str]) -> list[str]:
    """Names of the public members of a class that no other entry shows, if they have a docstring.

    Args:
        path: of the object behind an entry.
        entries: the paths of all entries, whose members stand there.
    """
    one = source_of(path)
    if not isinstance(one, Class):
        return []
    known = sources(entries)
    hidden = (pair for base in bases_without_entry(one, known) for pair in base.members.items())
    described = {name for name, member in hidden if name[0] != "_" and member.has_docstring}
    return sorted(described - one.members.keys())


def bases_without_entry(one: Class, known: Set[str]) -> Iterator[Class]:
    """The classes above this one, up to those with an entry."""
    for base in one.resolved_bases:
        if isinstance(base, Class) and base.path not in known:
            yield base
            yield from bases_without_entry(base, known)


def sources(entries: Set[str]) -> Set[str]:
    """Where the objects behind entries are defined."""
    return {source_of(entry).path for entry in entries}


def source_of(path: str) -> Object:
    """What is defined there, behind all imports."""
    one = _modules()[path]
    return one.final_target if one.is_alias else one


@cache
def _modules() -> ModulesCollection:
    loader = GriffeLoader(search_paths=[ROOT])
    for package in PACKAGES:
        loader.load(package)
    loader.resolve_aliases(implicit=False)
    return loader.modules_collection
