"""The stages of a backbone as rows of numbers."""

from __future__ import annotations

from typing import Any, Final

from odconv_spec.geometry import whole

MOST_BLOCKS: Final = 1000  # a table may come from a file, and each block takes memory


def table(name: str, rows: Any, columns: int, blocks: int) -> tuple[tuple[int, ...], ...]:
    """A stage table as nested tuples of positive numbers with `columns` numbers a row.

    Column `blocks` has the number of blocks of the stage.
    """
    try:
        found = tuple(tuple(whole(name, value, 1) for value in row) for row in rows)
    except TypeError:
        found = ()
    if not found or any(len(row) != columns for row in found):
        raise ValueError(f"{name}: expected rows of {columns} numbers, received {rows!r}")
    total = sum(row[blocks] for row in found)
    if total > MOST_BLOCKS:
        raise ValueError(f"{name}: expected at most {MOST_BLOCKS} blocks, received {total}")
    return found
