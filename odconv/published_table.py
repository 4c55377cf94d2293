"""Published sizes of the models beside ours, as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from odconv_spec import multiply_adds
from odconv_spec.published import MILLION, PUBLISHED, Published, agrees

HEADER = ("model", "options", "", "published", "ours", "difference", "")


def published_table(rows: Sequence[Published] = PUBLISHED) -> str:
    """A line for each published number, in millions.

    "ok" is equality but for its rounding; where that fails, the reason follows.
    """
    lines = [HEADER, *(cells for row in rows for cells in _cells(row))]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADER) - 1)]
    return "\n".join(
        "  ".join([*map(str.ljust, line, widths), line[-1]]).rstrip() for line in lines
    )


def _cells(row: Published) -> Iterator[tuple[str, ...]]:
    spec = row.spec()
    options = ", ".join(f"{name}={value}" for name, value in row.options)
    counts = [("parameters", row.parameters, spec.trainable_count(), row.reason)]
    if row.multiply_adds:
        counts.append(("multiply-adds", row.multiply_adds, multiply_adds(spec), row.work_reason))
    for what, text, count, reason in counts:
        ours = f"{count / MILLION:.4f}"
        yield (row.model, options, what, text or "-", ours, *_verdict(text, count, reason))


def _verdict(text: str, count: int, reason: str) -> tuple[str, str]:
    """The difference, and what it means."""
    verdict = ("ok" if agrees(text, count) else "differs") if text else "not comparable"
    difference = f"{count / MILLION - float(text):+.4f}" if text else "-"
    return difference, ": ".join(filter(None, (verdict, reason)))
