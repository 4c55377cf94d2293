"""The largest error of each quantity in each runtime, as Markdown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from parity_tests.runner import Result

Row = tuple[str, str, str]  # group, dtype, quantity


def table(results: Sequence[Result]) -> str:
    """A header with versions, a row for each quantity, a column for each runtime."""
    worst: dict[Row, dict[str, float]] = defaultdict(dict)
    cases: dict[Row, set[str]] = defaultdict(set)
    tolerance: dict[Row, float] = {}
    for result in results:
        for record in result.records:
            row = (record.group, record.dtype, record.quantity)
            worst[row][result.runtime] = max(record.error, worst[row].get(result.runtime, 0.0))
            cases[row].add(record.case)
            tolerance[row] = record.tolerance
    lines = [_line(["cases", "dtype", "quantity", *map(_title, results), "tolerance"])]
    lines.append(_line(["---"] * (len(results) + 4)))
    for row in worst:
        group, dtype, quantity = row
        errors = [_error(worst[row].get(result.runtime)) for result in results]
        cells = [f"{len(cases[row])} {group}", dtype, quantity, *errors, f"{tolerance[row]:.0e}"]
        lines.append(_line(cells))
    return "\n".join(lines)


def _title(result: Result) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in result.versions.items())
    return f"{result.runtime} ({versions})" if "-" in result.runtime else versions


def _error(error: float | None) -> str:
    return "" if error is None else f"{error:.1e}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
