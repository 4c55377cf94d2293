"""An extension of Griffe, for methods whose text stands in a class that has no entry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from griffe import Class, Extension, Module

from docs_site.inherited import bases_without_entry, sources
from docs_site.reference import entries


class InheritedDocstrings(Extension):
    """Gives a method without a docstring that of the method which it overrides.

    Only where that one is of a class without an entry: its text would stand on no page.
    """

    def on_package(self, *, pkg: Module, **_: Any) -> None:
        """Called for each package, once all of it is read."""
        known = sources(frozenset(entries().values()))
        for one in _classes(pkg):
            for base in bases_without_entry(one, known):
                _complete(one, base)


def _complete(one: Class, base: Class) -> None:
    for name, member in base.members.items():
        own = one.members.get(name)
        if own and not own.is_alias and not own.has_docstring and not member.is_alias:
            own.docstring = member.docstring


def _classes(module: Module) -> Iterator[Class]:
    for member in module.members.values():
        if isinstance(member, Class):
            yield member
        elif isinstance(member, Module):
            yield from _classes(member)
