"""Small drawings of attentions, and tables whose cells are shaded by their values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from odconv_training.attending.measures import Array
from weights_converter.conversion.html_markup import Markup, element

_WIDTH, _HEIGHT = 100, 40  # of a drawing, in its own units
_MOST_STEPS = 64  # of a profile

STYLE = """
.heat td, .heat th { min-width: 2.4rem; padding: 3px 6px; }
.heat td:first-child { min-width: 6.5rem; } .heat th { white-space: nowrap; }
.heat td[style] { background: color-mix(in srgb, var(--bar) calc(var(--share) * 60%), transparent);
  text-align: right; white-space: nowrap; } .heat th + th { text-align: right; }
.looks { display: grid; grid-template-columns: 40px 4rem 4rem 1fr 1fr; gap: 6px 10px;
  align-items: center; font-size: 13px; margin: 8px 0 16px; } .looks svg { height: 36px; }
.looks .head { color: var(--dim); line-height: 1.2; } .taps { fill: var(--bar); }
.step { fill: var(--bar); fill-opacity: .75; } .shot { width: 36px; height: 36px; flex: none;
  background-size: cover; image-rendering: pixelated; border-radius: 3px; }
.shots { display: flex; flex-wrap: wrap; gap: 8px 18px; } .shots div { display: flex; gap: 8px;
  font-size: 13px; line-height: 1.25; align-items: center; overflow-wrap: anywhere; }
summary { cursor: pointer; overflow-wrap: anywhere; margin-top: 4px; }
@media (max-width: 40rem) { .looks { grid-template-columns: 36px 3rem 3rem 1fr 1fr; gap: 6px; }
  .heat { font-size: 13px; } .heat td, .heat th { padding: 3px 4px; } }
"""


def shaded(
    header: Sequence[str], rows: Iterable[tuple[str, Sequence[float | None], str]]
) -> Markup:
    """A table with a row for each (label, values, remark), shaded up to the largest value.

    Args:
        header: names of the columns.
        rows: values of None stay empty.
    """
    found = list(rows)
    values = [value for _, row, _ in found for value in row if value is not None]
    low, high = min(values, default=0), max(values, default=1)
    lines = [element("tr", *(element("th", name) for name in header))]
    for label, row, remark in found:
        cells = [_cell(value, low, high) for value in row]
        last = [element("td", remark)] if len(header) > 1 + len(row) else []
        lines.append(element("tr", element("td", label), *cells, *last))
    return element("div", element("table", *lines, class_="heat"), class_="scroll")


def columns(values: Array) -> Markup:
    """A column for each kernel, from 0 to 1."""
    step = _WIDTH / len(values)
    return _drawing(
        *(
            element(
                "rect",
                x=index * step + 0.1 * step,
                width=0.8 * step,
                y=_HEIGHT * (1 - float(value)),
                height=_HEIGHT * float(value),
                class_="bar",
            )
            for index, value in enumerate(values)
        )
    )


def taps(values: Array, in_a_row: int, low: float, high: float) -> Markup:
    """A field for each tap of the kernel, shaded by how much it counts."""
    rows = len(values) // in_a_row
    width, height = _WIDTH / in_a_row, _HEIGHT / rows
    return _drawing(
        *(
            element(
                "rect",
                x=index % in_a_row * width,
                y=index // in_a_row * height,
                width=width,
                height=height,
                fill_opacity=_share(float(value), low, high),
                class_="taps",
            )
            for index, value in enumerate(values)
        )
    )


def profile(values: Array, low: float, high: float) -> Markup:
    """The values of many channels as one shape; neighbours are averaged where they are too many."""
    parts = np.array_split(values, min(len(values), _MOST_STEPS))
    step = _WIDTH / len(parts)
    path = [f"M0 {_HEIGHT}"]
    for index, part in enumerate(parts):
        y = _HEIGHT * (1 - _share(float(part.mean()), low, high))
        path.append(f"V{y:.1f}H{(index + 1) * step:.1f}")
    return _drawing(element("path", d=f"{''.join(path)}V{_HEIGHT}Z", class_="step"))


def _cell(value: float | None, low: float, high: float) -> Markup:
    if value is None:
        return element("td", "")
    return element("td", f"{value:.2f}", style=f"--share:{_share(value, low, high):.3f}")


def _share(value: float, low: float, high: float) -> float:
    return min(max((value - low) / ((high - low) or 1), 0.0), 1.0)


def _drawing(*parts: Markup) -> Markup:
    box = f"0 0 {_WIDTH} {_HEIGHT}"
    return element("svg", *parts, viewBox=box, preserveAspectRatio="none", role="img")
