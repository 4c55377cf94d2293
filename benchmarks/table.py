"""The records as Markdown, and as one line each while they arrive."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.cases import COMPILED, COMPILERS, GROUPS, OURS, PUBLISHED
from benchmarks.records import Record, Spread


def table(records: Sequence[Record]) -> str:
    """A section for each group: medians, and ratios with their quartiles."""
    return "\n\n".join(
        _section(group, [record for record in records if record.group == group])
        for group in GROUPS
        if any(record.group == group for record in records)
    )


def line(record: Record) -> str:
    """Such as "torch layers/...: static 4.1, published 160, ours 26 ms; 6.3 x static"."""
    figures = [f"{name} {_median(record.spread(name))}" for name in record.figures]
    shown = f"{record.runtime} {record.case}: {', '.join(figures)} {record.unit}"
    over_base, over_ours = _ratios(record)
    if over_base is not None:
        shown += f"; {over_base.median:.2f} x {record.base}"
    if over_ours is not None:
        shown += f", {_other(record.group)} {over_ours.median:.2f} x ours"
    return shown


def _section(group: str, records: Sequence[Record]) -> str:
    """`records` are not empty."""
    units = "MiB at the peak" if records[0].unit == "MiB" else "ms"
    base, other = records[0].base, _other(group)
    head = ("runtime", "case", base, other, OURS, f"ours / {base}", f"{other} / ours")
    rows = [head, ("---",) * len(head), *map(_row, records)]
    lines = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"## {group.capitalize()}, {units}\n\n{lines}"


def _row(record: Record) -> tuple[str, ...]:
    name = record.case.removeprefix(f"{record.group}/").replace("/", ", ")
    variants = (record.base, _other(record.group), OURS)
    figures = (_median(record.spread(variant)) for variant in variants)
    return (record.runtime, name, *figures, *map(_with_quartiles, _ratios(record)))


def _other(group: str) -> str:
    """What ours stands beside, but for the base."""
    return COMPILED if group == COMPILERS else PUBLISHED


def _ratios(record: Record) -> tuple[Spread | None, Spread | None]:
    return record.ratio(OURS, record.base), record.ratio(_other(record.group), OURS)


def _median(spread: Spread | None) -> str:
    return "" if spread is None else f"{spread.median:.{0 if spread.median >= 100 else 2}f}"


def _with_quartiles(spread: Spread | None) -> str:
    if spread is None:
        return ""
    if spread.low == spread.high:
        return f"{spread.median:.2f}"
    return f"{spread.median:.2f} ({spread.low:.2f} to {spread.high:.2f})"
