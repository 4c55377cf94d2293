"""Elements of HTML and SVG as text, in which nothing is markup but what is made here.

All other text goes through `printable`: a page has no control characters and is always UTF-8.
"""

from __future__ import annotations

from html import escape

from weights_converter.errors import printable


class Markup(str):
    """Text that is markup already. All other text is escaped where it becomes part of a page."""

    __slots__ = ()


def element(name: str, *children: str | float, **attributes: str | float) -> Markup:
    """`<name attributes>children</name>`; a trailing underscore of an attribute is left out.

    Other underscores in an attribute's name become hyphens: `stroke_width=2`.
    """
    pairs = (
        f' {key.rstrip("_").replace("_", "-")}="{escape(_text(value))}"'
        for key, value in attributes.items()
    )
    inside = "".join(map(_markup, children))
    return Markup(f"<{name}{''.join(pairs)}>{inside}</{name}>")


def joined(*parts: str | float) -> Markup:
    return Markup("".join(map(_markup, parts)))


def _markup(child: str | float) -> str:
    return child if isinstance(child, Markup) else escape(_text(child))


def _text(value: str | float) -> str:
    return printable(value).replace("\n", "\\n") if isinstance(value, str) else f"{value:.6g}"
