"""What installed packages add to the tables of this project, by entry points.

A package that brings a convolution or a backbone of its own names in its metadata what the tables
here have a row for. An entry is called as the kind or the family, and its object is what a row of
the table holds:

    group                                    an object
    odconv.convolutions                      a subclass of `DynamicConvSpec`
    odconv.backbones                         a subclass of `BackboneSpec`
    odconv.torch_layers, .paddle_layers,     the layers for one, two and three axes
        .keras_layers
    odconv.torch_models, .paddle_models,     the network
        .keras_models
    odconv.references                        what parity_tests compares with: a function for a
                                             kind, a `reference.networks.Network` for a family
    odconv.dialects                          a `weights_converter.names.dialect_rules.Dialect`

Nothing is searched until a name is asked for that no table has, or until all names are.
See https://packaging.python.org/en/latest/specifications/entry-points/.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

Row = TypeVar("Row")


def with_plugins(
    group: str, table: Mapping[str, Row], named_by: str | None = None
) -> Mapping[str, Row]:
    """The rows of `table` and those that installed packages add.

    Args:
        group: of entry points, such as "odconv.convolutions".
        table: name -> row of this project.
        named_by: the attribute of a row that is its name, if there is one.

    Returns:
        Name -> row, those of `table` first.

    Raises:
        ValueError: a package has a row under a name that is taken, or that is not the row's own.
        ImportError: a package cannot be imported.
    """
    installed = _installed(group)
    for name, added in installed.items():
        if named_by and getattr(added, named_by, None) != name:
            raise ValueError(
                f"{group}: expected an entry with {named_by}={name!r}, received {added!r} with "
                f"{getattr(added, named_by, None)!r}"
            )
        if name in table:
            raise ValueError(
                f"{group}: expected names other than {', '.join(map(repr, table))}, received "
                f"{name!r} of an installed package; rename it there, or uninstall the package"
            )
    return {**table, **installed}


def row(group: str, table: Mapping[str, Row], name: str) -> Row:
    """The row called `name`, for which packages are searched only if `table` has none.

    Raises:
        ValueError: there is none, or see `with_plugins`.
    """
    if name in table:
        return table[name]
    rows = with_plugins(group, table)
    if name not in rows:
        raise ValueError(
            f"{group}: expected {', '.join(map(repr, rows)) or 'an entry point'}, received "
            f"{name!r}, which no installed package brings"
        )
    return rows[name]


@cache
def _installed(group: str) -> Mapping[str, Any]:
    """name -> object of every entry point of the group."""
    found: dict[str, Any] = {}
    for entry in _entry_points().select(group=group):
        if entry.name in found:
            raise ValueError(f"{group}: expected one entry {entry.name!r}, received two packages'")
        try:
            found[entry.name] = entry.load()
        except ImportError as error:
            raise ImportError(
                f"{group}: the entry {entry.name} = {entry.value} of an installed package cannot "
                f"be imported: {error}"
            ) from error
    return found


@cache
def _entry_points() -> Any:
    """Of all groups: a search reads the metadata of every package, some ten milliseconds."""
    from importlib.metadata import entry_points  # which takes longer than all of this package

    return entry_points()
