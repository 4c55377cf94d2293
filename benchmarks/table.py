"""The records as Markdown, and as one line each while they arrive."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.cases import (
    COMPILED,
    COMPILERS,
    GROUPS,
    OFFICIAL,
    OFFICIAL_CODE,
    OFFICIAL_STATIC,
    OURS,
    OURS_LAST,
    PUBLISHED,
    STATIC,
    STATIC_LAST,
)
from benchmarks.records import BETTER_STATIC, Record, Spread

_OFFICIAL_TIMES = (OFFICIAL_STATIC, STATIC, STATIC_LAST, OFFICIAL, OURS, OURS_LAST)
_OFFICIAL_RATIOS = (
    (OURS, OFFICIAL),
    (OURS, BETTER_STATIC),
    (OURS, STATIC_LAST),
    (OURS_LAST, STATIC_LAST),
    (OURS_LAST, OURS),
)
NO_ROOM = "out of memory"


def table(records: Sequence[Record], machine: str = "") -> str:
    """A section for each group, with what it was measured on: medians, ratios and quartiles."""
    return "\n\n".join(
        _section(group, [record for record in records if record.group == group], machine)
        for group in GROUPS
        if any(record.group == group for record in records)
    )


def line(record: Record) -> str:
    """Such as "torch layers/...: static 4.1, published 160, ours 26 ms; 6.3 x static"."""
    figures = [f"{name} {_figure(record, name)}" for name in record.figures]
    shown = f"{record.runtime} {record.case}: {', '.join(figures)} {record.unit}"
    over_base = record.ratio(OURS, record.base)
    other = _other(record.group)
    over_ours = record.ratio(other, OURS)
    if over_base is not None:
        shown += f"; {over_base.median:.2f} x {record.base}"
    if over_ours is not None:
        shown += f", {other} {over_ours.median:.2f} x ours"
    return shown


def _section(group: str, records: Sequence[Record], machine: str) -> str:
    """`records` are not empty."""
    units = "MiB at the peak" if records[0].unit == "MiB" else "ms"
    times, ratios = _columns(group, records)
    names = [f"{variant} / {over}" for variant, over in ratios]
    head = ("runtime", "case", *times, *names)
    cells = [head, ("---",) * len(head)]
    for record in records:
        name = record.case.removeprefix(f"{group}/").replace("/", ", ")
        figures = (_figure(record, variant) for variant in times)
        spreads = (_with_quartiles(record.ratio(*ratio)) for ratio in ratios)
        cells.append((record.runtime, name, *figures, *spreads))
    if group == OFFICIAL_CODE:
        last = ("difference", "---", *(_difference(record) for record in records))
        cells = [(*row, cell) for row, cell in zip(cells, last, strict=True)]
    title = ", ".join(filter(None, (group.capitalize(), units, machine)))
    return f"## {title}\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in cells)


def _columns(
    group: str, records: Sequence[Record]
) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """The variants of a section and the ratios behind them."""
    if group == OFFICIAL_CODE:
        return _OFFICIAL_TIMES, _OFFICIAL_RATIOS
    base, other = records[0].base, _other(group)
    times: tuple[str, ...] = (base, other, OURS)
    ratios: tuple[tuple[str, str], ...] = ((OURS, base), (other, OURS))
    variants = {variant for record in records for variant in record.figures}
    if STATIC_LAST in variants:
        times = (base, STATIC_LAST, other, OURS)
        ratios = ((OURS, base), (OURS, STATIC_LAST), (other, OURS))
    if OURS_LAST in variants:
        times, ratios = (*times, OURS_LAST), (*ratios, (OURS_LAST, STATIC_LAST))
    return times, ratios


def _other(group: str) -> str:
    """What ours stands beside, but for the base."""
    return {COMPILERS: COMPILED, OFFICIAL_CODE: OFFICIAL}.get(group, PUBLISHED)


def _figure(record: Record, variant: str) -> str:
    """The median, "" of a variant that was not run."""
    spread = record.spread(variant)
    if spread is None:
        return NO_ROOM if variant in record.figures else ""
    return f"{spread.median:.{0 if spread.median >= 100 else 2}f}"


def _difference(record: Record) -> str:
    return "" if record.difference is None else f"{record.difference:.1e}"


def _with_quartiles(spread: Spread | None) -> str:
    if spread is None:
        return ""
    if spread.low == spread.high:
        return f"{spread.median:.2f}"
    return f"{spread.median:.2f} ({spread.low:.2f} to {spread.high:.2f})"
