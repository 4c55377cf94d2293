"""Plots as rows of a page: the text is the page's, so that it can be read at any width; only what
is drawn is SVG, which stretches: bars, ranges on a symmetric logarithmic axis, small histograms.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from weights_converter.conversion.html_markup import Markup, element, joined

_WIDTH = 1000  # of a drawing, in its own units
_HEIGHT = 20
_LEAST = 3  # what can be seen of a width
_LINEAR = 1e-3  # up to here the axis of ranges is linear
_DECADES = range(-2, 39)  # which it can mark
_MOST_TICKS = 2  # on each side

# The label stands beside the drawing, and above it on a narrow screen.
STYLE = """
.plot { display: grid; grid-template-columns: minmax(8rem, 20rem) 1fr auto; gap: 2px 10px;
  align-items: center; font-size: 13px; } .plot .label { overflow-wrap: anywhere; }
svg { display: block; width: 100%; height: 14px; } .ticks { position: relative; height: 1.4em; }
.ticks span { position: absolute; transform: translateX(-50%); white-space: nowrap; }
.bar { fill: var(--bar); } .range { fill: var(--range); } line { stroke: var(--line);
  vector-effect: non-scaling-stroke; } .zero { stroke: var(--dim); }
@media (max-width: 40rem) { .plot { grid-template-columns: 1fr auto; font-size: 14px; }
  .plot .label { grid-column: 1 / -1; margin-top: 6px; } }
"""


def bars(rows: Sequence[tuple[str, float, str]], longest: float = 0) -> Markup:
    """A horizontal bar for each (label, value, text after the bar), up to the longest of them."""
    longest = longest or max((value for _, value, _ in rows), default=0) or 1
    return _plot(
        (label, _drawing(_rectangle(0, _WIDTH * value / longest, "bar")), text)
        for label, value, text in rows
    )


def ranges(rows: Sequence[tuple[str, float, float]]) -> Markup:
    """A line from minimum to maximum for each (label, minimum, maximum).

    The axis is linear about zero and logarithmic away from it: weights of 1e-3 and variances of
    1e3 are on one page.
    """
    reach = max((abs(v) for _, *ends in rows for v in ends), default=1)
    ticks = _ticks(_position(reach))
    span = 1.1 * _position(ticks[-1])  # with room for the words at the ends

    def place(value: float) -> float:
        return _WIDTH * (_position(value) / span + 1) / 2

    grid = [_line(place(tick), "grid" if tick else "zero") for tick in ticks]
    words = [
        element("span", f"{tick:g}", style=f"left:{100 * place(tick) / _WIDTH:.4g}%")
        for tick in ticks
    ]
    drawn = (
        (label, _drawing(*grid, _rectangle(place(low), place(high) - place(low), "range")), "")
        for label, low, high in rows
    )
    return _plot((("", element("div", *words, class_="ticks"), ""), *drawn))


def histogram(counts: Sequence[int]) -> Markup:
    """A small histogram without axes."""
    step, highest = _WIDTH / max(len(counts), 1), max(counts, default=0) or 1
    heights = [_HEIGHT * count / highest for count in counts]
    return _drawing(
        *(
            element(
                "rect",
                x=index * step,
                y=_HEIGHT - height,
                width=0.9 * step,
                height=height,
                class_="bar",
            )
            for index, height in enumerate(heights)
        )
    )


def _position(value: float) -> float:
    """Where a value is on the axis: linear at first, then a step for each decade."""
    return math.copysign(math.log10(1 + abs(value) / _LINEAR), value)


def _ticks(reach: float) -> list[float]:
    """Zero and powers of ten on both sides, as few as have room, the last beyond `reach`."""
    powers = [10.0**decade for decade in _DECADES]
    enough = next((i for i, power in enumerate(powers) if _position(power) >= reach), -1)
    positive = powers[: enough + 1] if enough >= 0 else powers
    positive = positive[:: -math.ceil(len(positive) / _MOST_TICKS)][::-1]
    return [*(-power for power in reversed(positive)), 0.0, *positive]


def _plot(rows: Iterable[tuple[str, Markup, str]]) -> Markup:
    return element("div", *(_row(*row) for row in rows), class_="plot")


def _row(label: str, drawing: Markup, text: str) -> Markup:
    return joined(element("div", label, class_="label"), drawing, element("div", text))


def _drawing(*parts: Markup) -> Markup:
    box = f"0 0 {_WIDTH} {_HEIGHT}"
    return element("svg", *parts, viewBox=box, preserveAspectRatio="none", role="img")


def _line(x: float, kind: str) -> Markup:
    return element("line", x1=x, x2=x, y1=0, y2=_HEIGHT, class_=kind)


def _rectangle(x: float, width: float, kind: str) -> Markup:
    return element("rect", x=x, y=3, width=max(width, _LEAST), height=_HEIGHT - 6, class_=kind)
