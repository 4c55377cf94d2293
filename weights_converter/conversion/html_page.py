"""A page that needs nothing but itself, in light and in dark, at any width."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from weights_converter.conversion.html_markup import Markup, element
from weights_converter.conversion.html_plots import STYLE as _PLOTS

# Nothing is loaded and no script runs, whatever a name in a file looks like. Pictures are text.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --dim: #667085; --line: #d5dae2;
  --bar: #3b6fb6; --range: #b4652a; --good: #1f7a4d; --fair: #8a6100; --bad: #b3261e;
  --paper: #fff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --dim: #98a2b3; --line: #3a4252;
  --bar: #7aa7e0; --range: #e09a63; --good: #6fcf97; --fair: #e3b341; --bad: #ff8a80;
  --paper: #14181f; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 960px; margin: 1.5rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; overflow-wrap: anywhere; } h2 { font-size: 1.1rem; margin-top: 2.2rem; }
.verdict { font-weight: 600; font-size: 1.1rem; } .good { color: var(--good); }
.fair { color: var(--fair); } .bad { color: var(--bad); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: 14px; }
th, td { text-align: left; padding: 3px 10px 3px 0; border-bottom: 1px solid var(--line);
  vertical-align: top; overflow-wrap: anywhere; min-width: 5rem; }
td:first-child { min-width: 6.5rem; } code { font-size: 13px; }
"""


def page(title: str, *sections: Markup, style: str = "") -> str:
    """The page as text.

    Args:
        title: its heading, too.
        sections: what is below it, see `section`.
        style: more rules of CSS.
    """
    policy = {"http_equiv": "Content-Security-Policy", "content": _POLICY}
    head = element(
        "head",
        Markup('<meta charset="utf-8">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup(element("meta", **policy).removesuffix("</meta>")),
        element("title", title),
        Markup(f"<style>{_STYLE}{_PLOTS}{style}</style>"),
    )
    body = element("body", element("h1", title), *sections)
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


def section(title: str, *parts: Markup) -> Markup:
    """Parts under a heading."""
    return element("section", element("h2", title), *parts)


def table(header: Sequence[str], rows: Iterable[Sequence[str | float]]) -> Markup:
    """A table, which scrolls by itself where it is wider than the page."""
    head = element("tr", *(element("th", name) for name in header)) if header else Markup()
    lines = [element("tr", *(element("td", cell) for cell in row)) for row in rows]
    return element("div", element("table", head, *lines), class_="scroll")
