"""Plots as inline SVG: bars, ranges on a symmetric logarithmic axis, small histograms."""

from __future__ import annotations

import math
from collections.abc import Sequence

from weights_converter.conversion.html_markup import Markup, element

_WIDTH = 920
_LABEL = 320  # pixels that the labels take
_TEXT = 110  # pixels that the text after a bar takes
_ROW = 18
_PLOT = _WIDTH - _LABEL - _TEXT
_LONGEST_LABEL = 46
_LINEAR = 1e-3  # up to here the axis of ranges is linear
_DECADES = range(-2, 39)  # which it can mark
_MOST_TICKS = 4  # on each side


def bars(rows: Sequence[tuple[str, float, str]]) -> Markup:
    """A horizontal bar for each (label, value, text after the bar)."""
    longest = max((value for _, value, _ in rows), default=0) or 1
    parts: list[Markup] = []
    for index, (label, value, text) in enumerate(rows):
        top = index * _ROW
        width = _PLOT * value / longest
        parts += [
            _label(label, top),
            _rectangle(_LABEL, top + 3, max(width, 1), "bar"),
            _word(text, _LABEL + width + 6, top, "start"),
        ]
    return _svg(len(rows) * _ROW, parts)


def ranges(rows: Sequence[tuple[str, float, float]]) -> Markup:
    """A line from minimum to maximum for each (label, minimum, maximum).

    The axis is linear about zero and logarithmic away from it: weights of 1e-3 and variances of
    1e3 are on one page.
    """
    reach = max((abs(v) for _, *ends in rows for v in ends), default=1)
    ticks = _ticks(_position(reach))
    span = _position(ticks[-1])

    def place(value: float) -> float:
        return _LABEL + (_PLOT + _TEXT - 20) * (_position(value) / span + 1) / 2

    height = (len(rows) + 1) * _ROW
    parts: list[Markup] = []
    for tick in ticks:
        at = place(tick)
        kind = "zero" if tick == 0 else "grid"
        parts.append(element("line", x1=at, x2=at, y1=_ROW, y2=height, class_=kind))
        parts.append(_word(f"{tick:g}", at, 0, "middle"))
    for index, (label, low, high) in enumerate(rows, 1):
        top = index * _ROW
        width = max(place(high) - place(low), 2)
        parts += [_label(label, top), _rectangle(place(low), top + 3, width, "range")]
    return _svg(height, parts)


def histogram(counts: Sequence[int]) -> Markup:
    """A small histogram without axes."""
    width, height = 120, 28
    step, highest = width / max(len(counts), 1), max(counts, default=0) or 1
    parts = [
        element(
            "rect",
            x=index * step,
            y=height * (1 - count / highest),
            width=max(step - 0.5, 0.5),
            height=height * count / highest,
            class_="bar",
        )
        for index, count in enumerate(counts)
    ]
    return element("svg", *parts, viewBox=f"0 0 {width} {height}", width=width, height=height)


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


def _svg(height: float, parts: Sequence[Markup]) -> Markup:
    return element("svg", *parts, viewBox=f"0 0 {_WIDTH} {height + 4}", role="img", class_="plot")


def _label(text: str, top: float) -> Markup:
    shown = text if len(text) <= _LONGEST_LABEL else f"…{text[1 - _LONGEST_LABEL :]}"
    return _word(shown, _LABEL - 8, top, "end")


def _word(text: str, x: float, top: float, anchor: str) -> Markup:
    return element("text", text, x=x, y=top + 13, text_anchor=anchor)


def _rectangle(x: float, y: float, width: float, kind: str) -> Markup:
    return element("rect", x=x, y=y, width=width, height=_ROW - 6, rx=2, class_=kind)
