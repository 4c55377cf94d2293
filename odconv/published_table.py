"""Published sizes of the models beside ours, as a table."""

from __future__ import annotations

from collections.abc import Iterator

from odconv_spec import multiply_adds
from odconv_spec.published import MILLION, PUBLISHED, Published, agrees

HEADER = ("model", "options", "", "published", "ours", "difference", "")


def published_table() -> str:
    """A row for each published number, in millions; "ok" is equality but for its rounding."""
    rows = [HEADER, *(cells for row in PUBLISHED for cells in _cells(row))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _cells(row: Published) -> Iterator[tuple[str, ...]]:
    spec = row.spec()
    options = ", ".join(f"{name}={value}" for name, value in row.options)
    counts = [("parameters", row.parameters, spec.trainable_count())]
    if row.multiply_adds:
        counts.append(("multiply-adds", row.multiply_adds, multiply_adds(spec)))
    for what, text, count in counts:
        ours = count / MILLION
        verdict = "ok" if agrees(text, count) else "differs"
        difference = f"{ours - float(text):+.4f}"
        yield (row.model, options, what, text, f"{ours:.4f}", difference, verdict)
